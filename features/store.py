"""The events of each patient, ready to be asked now: kept as they are, never as vectors.

One SQLite file. What arrives together for one patient and table is one segment of Arrow rows with a
sequence number; a patient's table is its segments in that order. Who notes the number read up to
can read the same again later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.canonical import canonical, empty
from features.lake import Lake
from features.progress import track
from features.schema import ARROW, TABLES, table

_PLACE = "_place"
_NAMED = ("patient_id", "time")
"""Columns that an event table has even where they say nothing."""
_SHARED = ""
"""Stands for the patient of tables that belong to none."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, patient_id TEXT NOT NULL, name TEXT NOT NULL, rows BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS segments_of_patient ON segments (patient_id, name);
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
"""
_SELECT = "SELECT name, rows FROM segments WHERE patient_id = ? AND seq <= ? ORDER BY seq"
_LAST = "SELECT coalesce(max(seq), 0) FROM segments WHERE patient_id = ? AND seq <= ?"
_INSERT = "INSERT INTO segments (patient_id, name, rows) VALUES (?, ?, ?)"
Result = Literal["stored", "duplicate"]


class EventStore:
    """A store of events by patient.

    Parameters
    ----------
    path
        The SQLite file; made where there is none.
    """

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def has(self, patient_id: str) -> bool:
        """Say whether anything was ever stored of a patient."""
        found = self._db.execute("SELECT 1 FROM segments WHERE patient_id = ? LIMIT 1", (patient_id,)).fetchone()
        return bool(patient_id) and found is not None

    def patients(self) -> Iterator[str]:
        """Yield every patient, in order."""
        for (patient,) in self._db.execute("SELECT DISTINCT patient_id FROM segments WHERE patient_id <> ''"):
            yield patient

    def last_seq(self) -> int:
        """Return the number of the latest segment, 0 in an empty store."""
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM segments").fetchone()[0])

    def last_seq_of(self, patient_id: str, upto: int) -> int:
        """Return the number of a patient's latest segment up to one, 0 where there is none."""
        found = self._db.execute(_LAST, (patient_id, upto)).fetchone()
        return int(found[0])

    def watched(self) -> bool:
        """Say whether the store holds a table ``observed``, so that a zero needs somebody who looked."""
        return bool(self._state("observed", 0))

    def last_known(self) -> dict[str, int]:
        """Return for each event table that has rows the latest known_at of any patient, UTC microseconds."""
        rows = self._db.execute("SELECT substr(key, 6), value FROM state WHERE key LIKE 'last %'")
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
        for name, rows in self._db.execute(_SELECT, (patient_id, last)):
            if names is None or name in names:
                parts.setdefault(name, []).append(_unpacked(rows))
        found = {name: _joined(some) for name, some in parts.items()}
        if "observed" not in found and (names is None or "observed" in names) and self._state("observed", 0):
            found["observed"] = empty("observed")
        return found

    def contents(self) -> pa.Table:
        """Return the items, the latest row of each."""
        rows = self.tables(_SHARED, ("contents",)).get("contents")
        if rows is None:
            return empty("contents")
        ids = rows["content_id"].to_numpy(zero_copy_only=False)
        _, last = np.unique(ids[::-1], return_index=True)
        return rows.take(pa.array(np.sort(len(ids) - 1 - last)))

    def append(self, name: str, rows: Sequence[Mapping[str, Any]], known_at: int) -> list[Result]:
        """Store events of one table, durably, in one transaction.

        Parameters
        ----------
        rows
            Canonical columns by name, instants as UTC microseconds. The same event and version again
            is a duplicate and changes nothing.
        known_at
            The server's clock; it is stamped on every row and never goes backwards.

        Returns
        -------
        list of str
            ``stored`` or ``duplicate`` for each row.
        """
        known_at = max(known_at, int(self._state("known_at", 0)))
        found = _table(name, rows, known_at)
        results: list[Result] = ["duplicate"] * len(rows)
        with self._writing():
            numbered = found.append_column(_PLACE, pa.array(range(len(rows))))
            for patient, mine in _by_patient(numbered):
                held = self._held(patient, name)
                fresh = []
                for at, (place, key) in enumerate(zip(mine[_PLACE].to_pylist(), _keys(mine))):
                    if key not in held:
                        held.add(key)
                        fresh.append(at)
                        results[place] = "stored"
                if fresh:
                    self._insert(patient, name, mine.take(pa.array(fresh)).drop_columns(_PLACE))
            self._keep("known_at", known_at)
            self._grew(name, known_at)
        return results

    def purge(self, patient_id: str) -> int:
        """Delete everything of a patient, overwritten in the file; return how many segments there were."""
        self._db.execute("PRAGMA secure_delete=ON")
        with self._writing():
            gone = self._db.execute("DELETE FROM segments WHERE patient_id = ?", (patient_id,)).rowcount
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return int(gone)

    def load(self, lake: Lake) -> None:
        """Store a lake's events, contents and watched intervals; a lake that was loaded stays as it is."""
        if self._state(f"lake {lake.digest}", 0):
            return
        with self._writing():
            for name in track(lake.tables(), "load"):
                rows = lake.read(name)
                if not TABLES[name].per_patient and name != "observed":
                    self._insert(_SHARED, name, rows)
                    continue
                anew = self._db.execute("SELECT 1 FROM segments WHERE name = ? LIMIT 1", (name,)).fetchone() is None
                for patient, mine in _by_patient(rows):
                    if not anew:
                        held = self._held(patient, name)
                        mine = mine.filter(pa.array([key not in held for key in _keys(mine)], pa.bool_()))
                    if mine.num_rows:
                        self._insert(patient, name, mine)
                if name == "observed":
                    self._keep("observed", 1)
                if "known_at" in rows.column_names and rows.num_rows:
                    self._grew(name, pc.max(rows["known_at"]).value)
            self._keep(f"lake {lake.digest}", 1)

    def _held(self, patient: str, name: str) -> set[tuple[Any, ...]]:
        rows = self.tables(patient, (name,)).get(name)
        return set() if rows is None else set(_keys(rows))

    def _insert(self, patient: str, name: str, rows: pa.Table) -> None:
        self._db.execute(_INSERT, (patient, name, _packed(rows)))
        if name == "observed":
            self._keep("observed", 1)

    def _grew(self, name: str, known_at: int) -> None:
        self._keep(f"last {name}", max(known_at, int(self._state(f"last {name}", 0))))

    def _state(self, key: str, default: int) -> Any:
        row = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return default if row is None else row[0]

    def _keep(self, key: str, value: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))

    def _writing(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    """All or nothing, one writer at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _table(name: str, rows: Sequence[Mapping[str, Any]], known_at: int) -> pa.Table:
    """Return rows as a canonical table, stamped. An event without an id is named by what it says."""
    given = {key for row in rows for key in row if key != "known_at"}
    columns = [column for column in table(name).columns if column.name in given]
    found = pa.table({each.name: pa.array([row.get(each.name) for row in rows], ARROW[each.kind]) for each in columns})
    stamp = pa.repeat(pa.scalar(known_at, ARROW["instant"]), len(rows))
    return canonical(found, name).drop_columns("known_at").append_column("known_at", stamp)


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
    """Return what names each row: event and version; for a watched interval all that it says."""
    names = ("event_id", "version") if "event_id" in rows.column_names else tuple(rows.column_names)
    columns = (
        pc.cast(rows[name], pa.int64()) if pa.types.is_timestamp(rows[name].type) else rows[name] for name in names
    )
    return list(zip(*(column.to_pylist() for column in columns)))


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
    return parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="permissive")
