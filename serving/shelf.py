"""Charts that are ready: kept beside the store, thrown away whenever a patient's events or the plan change.

One SQLite file of its own, which may be deleted at any time: it holds nothing that the store does
not say. It is bounded: those asked about longest ago leave first.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from features.behind import Behind
from features.store import EventStore
from serving.chart import Chart
from serving.draft import code_version

FILE = "charts.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS charts (
    patient_id TEXT PRIMARY KEY, plan TEXT NOT NULL, seq INTEGER NOT NULL, kept INTEGER NOT NULL, chart BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS charts_by_age ON charts (kept);
"""
_KEEP = "INSERT OR REPLACE INTO charts VALUES (?, ?, ?, ?, ?)"
_PRUNE = "DELETE FROM charts WHERE patient_id IN (SELECT patient_id FROM charts ORDER BY kept LIMIT ?)"
_SLACK = 256


class Shelf:
    """The charts of one state folder.

    Parameters
    ----------
    folder
        The state folder.
    most
        Patients whose charts are kept.
    """

    def __init__(self, folder: Path, most: int) -> None:
        path = folder / FILE
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0.5, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.executescript(_SCHEMA)
        self._most, self._put = most, 0

    def close(self) -> None:
        self._db.close()

    def chart(self, behind: Behind, store: EventStore, patient_id: str, upto: int) -> Chart:
        """Return a patient's chart of the events numbered up to ``upto``: one that is ready, or a new one."""
        last = store.last_seq_of(patient_id, upto)
        plan = f"{behind.plan.spec.digest} {code_version()['source']} {store.watched()}"
        with contextlib.suppress(sqlite3.Error):
            found = self._db.execute(
                "SELECT chart FROM charts WHERE patient_id = ? AND plan = ? AND seq = ?", (patient_id, plan, last)
            ).fetchone()
            if found is not None:
                return Chart(behind, found[0])
        chart = Chart.of(behind, store.tables(patient_id, upto=upto), patient_id)
        with contextlib.suppress(sqlite3.Error):
            self._db.execute(_KEEP, (patient_id, plan, last, time.time_ns(), chart.packed()))
            self._prune()
        return chart

    def forget(self, patient_id: str) -> None:
        """Leave no trace of a patient."""
        self._db.execute("DELETE FROM charts WHERE patient_id = ?", (patient_id,))
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _prune(self) -> None:
        self._put += 1
        if self._put % _SLACK == 1:
            (held,) = self._db.execute("SELECT count(*) FROM charts").fetchone()
            if held > self._most:
                self._db.execute(_PRUNE, (held - self._most,))
