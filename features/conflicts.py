"""Rows that name the same version of the same event: repeated, or at odds with each other or with the lake."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pyarrow as pa

from features.canonical import hashes
from features.columns import arrow, plain
from features.lake import Lake
from features.quality import MISSING
from features.schema import ARROW, table

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_OTHER = np.uint64(0xC2B2AE3D27D4EB4F)


class Conflicts:
    """What stands more than once in one table of an ingest.

    The first pass keeps 8 bytes a row; the second looks only at events that came twice.

    Parameters
    ----------
    name
        Canonical table.
    batches
        Reads the drafted rows, in their order, as often as it is called.
    """

    def __init__(self, name: str, batches: Callable[[], Iterable[pa.RecordBatch]]) -> None:
        keys = [_keys(batch) for batch in batches()]
        every, counts = np.unique(np.concatenate(keys), return_counts=True) if keys else (np.empty(0, np.uint64),) * 2
        self.every, self.twice = every, every[counts > 1]
        self.odds = self._at_odds(name, batches) if len(self.twice) else np.empty(0, np.uint64)
        self._met: set[int] = set()

    def of(self, batch: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows only repeat an earlier one, and which contradict another; batches come in their order."""
        repeated, odd = np.zeros(batch.num_rows, bool), np.zeros(batch.num_rows, bool)
        if not len(self.twice):
            return repeated, odd
        keys = _keys(batch)
        odd = np.isin(keys, self.odds)
        for row in np.flatnonzero(np.isin(keys, self.twice) & ~odd):
            key = int(keys[row])
            repeated[row] = key in self._met
            self._met.add(key)
        return repeated, odd

    def _at_odds(self, name: str, batches: Callable[[], Iterable[pa.RecordBatch]]) -> np.ndarray:
        said: dict[int, int] = {}
        odds: set[int] = set()
        for batch in batches():
            keys = _keys(batch)
            rows = np.flatnonzero(np.isin(keys, self.twice))
            if len(rows):
                for key, content in zip(keys[rows].tolist(), _contents(batch.take(pa.array(rows)), name)):
                    if said.setdefault(key, content) != content:
                        odds.add(key)
        return np.array(sorted(odds), np.uint64)


class Held:
    """What other ingests brought into one table of a lake under the names of this one's events.

    Two rows of the same event, version and known_at that say different things: nobody could tell which
    holds, and the one that the lake has stands. A row known later replaces, as every vector reads it.
    Memory: 16 bytes for each row of the lake whose event this ingest names.

    Parameters
    ----------
    lake
        The lake.
    name
        Canonical table.
    own
        Name of this ingest's file, which will be replaced.
    every
        Keys of this ingest's events, sorted.
    """

    def __init__(self, lake: Lake, name: str, own: str, every: np.ndarray) -> None:
        self._table, self._columns = name, [each for each in table(name).names if each != "source"]
        keys, said = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
        for file in (each for each in lake.files.get(name, ()) if each.stem != own):
            if not any(len(_met(rows, every)[1]) for rows in lake.batches(name, file, ("event_id", "version"))):
                continue
            for rows in lake.batches(name, file, self._columns):
                named, met = _met(rows, every)
                if len(met):
                    rows, named = rows.take(pa.array(met)), named[met]
                    keys.append(named + rows["known_at"].cast(pa.int64()).to_numpy().view(np.uint64) * _OTHER)
                    said.append(hashes(rows))
        joint = np.concatenate(keys)
        order = np.argsort(joint, kind="stable")
        self._keys, self._said = joint[order], np.concatenate(said)[order]

    def __len__(self) -> int:
        """How many rows of the lake bear the name of an event of this ingest."""
        return len(self._keys)

    def at_odds(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return which rows, ready to be written, contradict one of the lake."""
        odd = np.zeros(len(columns["event_id"]), bool)
        if not len(self._keys):
            return odd
        bare = np.array([each is None for each in columns["event_id"]], bool)
        named = event_keys(columns["event_id"], columns["version"])
        keys = named + columns["known_at"].view(np.uint64) * _OTHER
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        met = np.flatnonzero((self._keys[place] == keys) & ~bare)
        if len(met):
            kinds = {each.name: each.kind for each in table(self._table).columns}
            rows = pa.table({each: arrow(columns[each][met], ARROW[kinds[each]]) for each in self._columns})
            odd[met] = self._said[place[met]] != hashes(rows)
        return odd


def _met(rows: pa.Table, every: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the name of each row's event and version, and the rows whose name is among these."""
    named = event_keys(rows["event_id"].to_numpy().astype(object), rows["version"].to_numpy())
    if not len(every):
        return named, np.empty(0, np.int64)
    return named, np.flatnonzero(every[np.minimum(np.searchsorted(every, named), len(every) - 1)] == named)


def event_keys(names: np.ndarray, version: np.ndarray) -> np.ndarray:
    """Return a 64-bit name of each event and version."""
    from pandas.util import hash_array

    keys: np.ndarray = hash_array(np.array([name or "" for name in names], object))
    return keys + version.astype(np.uint64) * _PRIME


def _keys(batch: pa.RecordBatch) -> np.ndarray:
    """Return a 64-bit name of each row's event and version; a row without an event_id has one of its own."""
    names = plain(batch.column("event_id"))
    version = plain(batch.column("version"))
    version[version == MISSING] = 1
    keys = event_keys(names, version)
    bare = np.flatnonzero(np.array([name is None for name in names], bool))
    keys[bare] = _contents(batch.take(pa.array(bare)), None) if len(bare) else keys[bare]
    return keys


def _contents(batch: pa.RecordBatch, name: str | None) -> list[int]:
    columns = [each.name for each in table(name).columns] if name else batch.schema.names
    return [hash(tuple(map(str, row.values()))) & 0xFFFFFFFFFFFFFFFF for row in batch.select(columns).to_pylist()]
