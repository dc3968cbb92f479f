"""The events of each patient, ready to be asked now: kept as they are, never as vectors.

One SQLite file, or PostgreSQL by URL. What arrives together for one patient and table is one segment
of Arrow rows with a sequence number; a patient's table is its segments in that order. Who notes the
number read up to can read the same again later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.canonical import canonical, digests, empty, spelled
from features.made import Items
from features.progress import track
from features.schema import ARROW, EVENT_TABLES, TABLES, table
from features.segments import segments

if TYPE_CHECKING:
    from features.lake import Lake

_PLACE = "_place"
_NAMED = ("patient_id", "time")
"""Columns that an event table has even where they say nothing."""
_SHARED = ""
"""Stands for the patient of tables that belong to none."""
_SELECT = "SELECT name, rows FROM segments WHERE patient_id = ? AND seq <= ? ORDER BY seq"
_LAST = "SELECT coalesce(max(seq), 0) FROM segments WHERE patient_id = ? AND seq <= ?"
_SINCE = "SELECT rows FROM segments WHERE name = ? AND seq > ? AND seq <= ? ORDER BY seq"
_INSERT = "INSERT INTO segments (patient_id, name, rows) VALUES (?, ?, ?)"
_KEEP = "INSERT INTO state (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
_NAMES = (("event_id", "version"), ("content_id",))
_TOGETHER = 1000
"""Segments that are written at once when a lake is loaded."""
CONFLICT = "conflicting_content"
"""Code of a row that bears the id and version of another and says something else."""
Result = Literal["stored", "duplicate", "quarantined"]


class Appended(list[Result]):
    """The result of each row, and the known_at that was stamped, UTC microseconds."""

    def __init__(self, results: Sequence[Result], known_at: int) -> None:
        super().__init__(results)
        self.known_at = known_at


class EventStore:
    """A store of events by patient.

    Parameters
    ----------
    place
        The SQLite file, made where there is none; or the URL of a PostgreSQL database,
        ``postgresql://...``.

    Attributes
    ----------
    near
        Whether it is a file of this machine.
    """

    def __init__(self, place: Path | str) -> None:
        self._db = segments(place)
        self.near = self._db.near
        self._items: tuple[int, Items] | None = None

    def close(self) -> None:
        self._db.close()

    def has(self, patient_id: str) -> bool:
        """Say whether anything was ever stored of a patient."""
        return bool(patient_id) and bool(
            self._db.rows("SELECT 1 FROM segments WHERE patient_id = ? LIMIT 1", (patient_id,))
        )

    def patients(self) -> Iterator[str]:
        """Yield every patient, in order."""
        yield from sorted(each for (each,) in self._db.rows("SELECT DISTINCT patient_id FROM segments") if each)

    def last_seq(self) -> int:
        """Return the number of the latest segment, 0 in an empty store."""
        return int(self._db.rows("SELECT coalesce(max(seq), 0) FROM segments")[0][0])

    def last_seq_of(self, patient_id: str, upto: int) -> int:
        """Return the number of a patient's latest segment up to one, 0 where there is none."""
        return int(self._db.rows(_LAST, (patient_id, upto))[0][0])

    def watched(self) -> bool:
        """Say whether the store holds a table ``observed``, so that a zero needs somebody who looked."""
        return bool(self._state("observed", 0))

    def last_known(self) -> dict[str, int]:
        """Return for each event table that has rows the latest known_at of any patient, UTC microseconds."""
        rows = self._db.rows("SELECT substr(key, 6), value FROM state WHERE key LIKE 'last %'")
        return {name: int(known_at) for name, known_at in rows}

    def tables(
        self, patient_id: str, names: Sequence[str] | None = None, upto: int | None = None
    ) -> dict[str, pa.Table]:
        """Return a patient's canonical tables.

        Parameters
        ----------
        names
            Tables wanted; None for all. A table without rows is left out, but for ``observed`` where
            the store has one: a patient whom nobody watched is not one of whom nothing is said.
        upto
            Read no segment numbered above this.
        """
        last = self.last_seq() if upto is None else upto
        parts: dict[str, list[pa.Table]] = {}
        for name, rows in self._db.rows(_SELECT, (patient_id, last)):
            if names is None or name in names:
                parts.setdefault(name, []).append(_unpacked(rows))
        found = {name: _joined(some) for name, some in parts.items()}
        if "observed" not in found and (names is None or "observed" in names) and self._state("observed", 0):
            found["observed"] = empty("observed")
        return found

    def since(self, name: str, seq: int, upto: int) -> Iterator[pa.Table]:
        """Yield what came in of one table, of every patient, in segments numbered above ``seq``, up to ``upto``."""
        for (rows,) in self._db.rows(_SINCE, (name, seq, upto)):
            yield _unpacked(rows)

    def purges(self) -> int:
        """Return how often a patient was purged: who holds what was read before a purge must read it again."""
        return int(self._state("purges", 0))

    def contents(self, upto: int | None = None) -> pa.Table:
        """Return the items, the latest row of each; as they stood at a number, where one is given."""
        rows = self.tables(_SHARED, ("contents",), upto).get("contents")
        if rows is None:
            return empty("contents")
        ids = rows["content_id"].to_numpy(zero_copy_only=False)
        _, last = np.unique(ids[::-1], return_index=True)
        return rows.take(pa.array(np.sort(len(ids) - 1 - last)))

    def contents_seq(self) -> int:
        """Return the number of the latest segment of items, 0 where there is none."""
        statement = "SELECT coalesce(max(seq), 0) FROM segments WHERE patient_id = ? AND name = 'contents'"
        return int(self._db.rows(statement, (_SHARED,))[0][0])

    def publish(self, item: Mapping[str, Any]) -> None:
        """Store the latest row of an item, durably: canonical columns by name, instants as UTC microseconds."""
        columns = table("contents").columns
        row = pa.table({each.name: pa.array([item.get(each.name)], ARROW[each.kind]) for each in columns})
        with self._db.writing():
            self._insert(_SHARED, "contents", row)

    def append(self, name: str, rows: Sequence[Mapping[str, Any]], known_at: int) -> Appended:
        """Store rows of one table, durably, in one transaction.

        Parameters
        ----------
        rows
            Canonical columns by name, instants as UTC microseconds. The same event and version again
            is a duplicate and changes nothing; with other content it is set aside, since nobody could
            say which of the two holds: a correction is a new version. An item (of ``contents``) is
            replaced by a later row of its id.
        known_at
            The server's clock; what is stamped on every event never goes backwards.

        Returns
        -------
        Appended
            ``stored``, ``duplicate`` or ``quarantined`` (by the code CONFLICT) for each row, and as
            ``known_at`` the instant that was stamped.
        """
        with self._db.writing():
            known_at = max(known_at, int(self._state("known_at", 0)))
            found = self._told(name, _table(name, rows, known_at))
            results: list[Result] = ["duplicate"] * len(rows)
            numbered = found.append_column(_PLACE, pa.array(range(len(rows))))
            for patient, mine in _by_patient(numbered) if "patient_id" in found.column_names else [(_SHARED, numbered)]:
                fresh = self._fresh(patient, name, mine, results)
                if fresh:
                    self._insert(patient, name, mine.take(pa.array(fresh)).drop_columns(_PLACE))
            self._keep("known_at", known_at)
            if name in EVENT_TABLES:
                self._grew(name, known_at)
        return Appended(results, known_at)

    def purge(self, patient_id: str) -> int:
        """Delete everything of a patient, overwritten in SQLite's file; return how many segments there were."""
        with self._db.writing():
            gone = self._db.run("DELETE FROM segments WHERE patient_id = ?", (patient_id,))
            self._keep("purges", self.purges() + 1)
        self._db.emptied()
        return gone

    def load(self, lake: Lake) -> None:
        """Store a lake's events, contents and watched intervals; a lake that was loaded stays as it is."""
        if self._state(f"lake {lake.digest}", 0):
            return
        with self._db.writing():
            for name in track(lake.tables(), "load"):
                rows = spelled(lake.read(name))
                if not TABLES[name].per_patient and name != "observed":
                    self._insert(_SHARED, name, rows)
                    continue
                anew = not self._db.rows("SELECT 1 FROM segments WHERE name = ? LIMIT 1", (name,))
                fresh: list[tuple[Any, ...]] = []
                for patient, mine in _by_patient(rows):
                    if not anew:
                        held = self._held(patient, name)
                        mine = mine.filter(pa.array([key not in held for key in _keys(mine)], pa.bool_()))
                    if mine.num_rows:
                        fresh.append((patient, name, _packed(mine)))
                    if len(fresh) == _TOGETHER:
                        self._db.many(_INSERT, fresh)
                        fresh = []
                self._db.many(_INSERT, fresh)
                if name == "observed":
                    self._keep("observed", 1)
                if "known_at" in rows.column_names and rows.num_rows:
                    self._grew(name, pc.max(rows["known_at"]).value)
            self._keep(f"lake {lake.digest}", 1)

    def _told(self, name: str, rows: pa.Table) -> pa.Table:
        """Add to interactions what is known now of the items that they name; it stays with them."""
        if name != "interactions" or "content_id" not in rows.column_names or not (seq := self.contents_seq()):
            return rows
        if self._items is None or self._items[0] != seq:
            self._items = (seq, Items(self.contents()))
        return self._items[1].told(rows)

    def _fresh(self, patient: str, name: str, mine: pa.Table, results: list[Result]) -> list[int]:
        """Return the places of rows that are new, and note the results of all."""
        held = self.tables(patient, (name,)).get(name)
        known = {} if held is None else {key: at for at, key in enumerate(_keys(held))}
        fresh: list[int] = []
        said: list[list[str]] = []
        for at, (place, key) in enumerate(zip(mine[_PLACE].to_pylist(), _keys(mine))):
            if key in known:
                said = said or [_said(name, each) for each in (mine, held) if each is not None]
                before = known[key]
                same = said[0][at] == (said[0][before] if before < 0 else said[1][before])
                if same or name != "contents":
                    results[place] = "duplicate" if same else "quarantined"
                    continue
            known[key] = at - mine.num_rows
            fresh.append(at)
            results[place] = "stored"
        return fresh

    def _held(self, patient: str, name: str) -> set[tuple[Any, ...]]:
        rows = self.tables(patient, (name,)).get(name)
        return set() if rows is None else set(_keys(rows))

    def _insert(self, patient: str, name: str, rows: pa.Table) -> None:
        self._db.run(_INSERT, (patient, name, _packed(rows)))
        if name == "observed":
            self._keep("observed", 1)

    def _grew(self, name: str, known_at: int) -> None:
        self._keep(f"last {name}", max(known_at, int(self._state(f"last {name}", 0))))

    def _state(self, key: str, default: int) -> Any:
        found = self._db.rows("SELECT value FROM state WHERE key = ?", (key,))
        return found[0][0] if found else default

    def _keep(self, key: str, value: int) -> None:
        self._db.run(_KEEP, (key, value))


def _table(name: str, rows: Sequence[Mapping[str, Any]], known_at: int) -> pa.Table:
    """Return rows as a canonical table, stamped. An event without an id is named by what it says."""
    given = {key for row in rows for key in row if key != "known_at"}
    columns = [column for column in table(name).columns if column.name in given]
    found = pa.table({each.name: pa.array([row.get(each.name) for row in rows], ARROW[each.kind]) for each in columns})
    known = table(name).per_patient
    stamp = pa.repeat(pa.scalar(known_at, ARROW["instant"]), len(rows))
    settled = canonical(found, name)
    return settled.set_column(settled.column_names.index("known_at"), "known_at", stamp) if known else settled


def _by_patient(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield each patient and that patient's rows, in their order."""
    coded = rows["patient_id"].cast(pa.string()).combine_chunks().dictionary_encode()
    which = coded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(which, kind="stable")
    edges = np.searchsorted(which[order], np.arange(len(coded.dictionary) + 1))
    grouped = rows.take(pa.array(order)).combine_chunks()
    for place, patient in enumerate(coded.dictionary.to_pylist()):
        yield patient, grouped.slice(edges[place], edges[place + 1] - edges[place])


def _keys(rows: pa.Table) -> list[tuple[Any, ...]]:
    """Return what names each row: event and version, or the item; for a watched interval all that it says."""
    named = (each for each in _NAMES if set(each) <= set(rows.column_names))
    names = next(named, tuple(each for each in rows.column_names if each != _PLACE))
    columns = (
        pc.cast(rows[name], pa.int64()) if pa.types.is_timestamp(rows[name].type) else rows[name] for name in names
    )
    return list(zip(*(column.to_pylist() for column in columns)))


def _said(name: str, rows: pa.Table) -> list[str]:
    """Return a digest of what each row says, but for when that became known."""
    settled = canonical(rows, name)
    own = [each for each in table(name).names if each != "known_at" and each in settled.column_names]
    found: list[str] = digests(settled.select(own)).to_pylist()
    return found


def _packed(rows: pa.Table) -> bytes:
    """Return rows as an Arrow stream, without the columns that say nothing."""
    kept = [name for name in rows.column_names if name in _NAMED or rows[name].null_count < rows.num_rows]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.select(kept).schema) as writer:
        writer.write_table(rows.select(kept).combine_chunks())
    return sink.getvalue().to_pybytes()


def _unpacked(rows: bytes) -> pa.Table:
    return pa.ipc.open_stream(rows).read_all()


def _joined(parts: list[pa.Table]) -> pa.Table:
    return parts[0] if len(parts) == 1 else pa.concat_tables(map(spelled, parts), promote_options="permissive")
