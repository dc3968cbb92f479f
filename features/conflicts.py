"""Rows that name the same version of the same event: repeated, or at odds with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from features.columns import plain
from features.quality import MISSING
from features.schema import table

_PRIME = np.uint64(0x9E3779B97F4A7C15)


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
        self.twice = every[counts > 1]
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


def _keys(batch: pa.RecordBatch) -> np.ndarray:
    """Return a 64-bit name of each row's event and version; a row without an event_id has one of its own."""
    from pandas.util import hash_array

    names = plain(batch.column("event_id"))
    version = plain(batch.column("version"))
    version[version == MISSING] = 1
    keys: np.ndarray = hash_array(np.array([name or "" for name in names], object))
    keys = keys + version.astype(np.uint64) * _PRIME
    bare = np.flatnonzero(np.array([name is None for name in names], bool))
    keys[bare] = _contents(batch.take(pa.array(bare)), None) if len(bare) else keys[bare]
    return keys


def _contents(batch: pa.RecordBatch, name: str | None) -> list[int]:
    columns = [each.name for each in table(name).columns] if name else batch.schema.names
    return [hash(tuple(map(str, row.values()))) & 0xFFFFFFFFFFFFFFFF for row in batch.select(columns).to_pylist()]
