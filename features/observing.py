"""The table ``observed`` of one ingest: what its source says that was watched, else the source's extent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.instants import DAY, end_of_day, moment
from features.params import general
from features.quality import MISSING
from features.schema import table
from features.sources.draft import Period

_ROWS = 50_000


class Observing:
    """Writes the rows of ``observed``.

    Parameters
    ----------
    path
        The file to write; it is not made where there is nothing to write.
    tables
        Canonical tables that the source watched.
    """

    def __init__(self, path: Path, tables: Sequence[str]) -> None:
        self.path, self.tables, self.written = path, tuple(tables), 0

    def extent(self, patients: Iterable[str], first: int, last: int) -> None:
        """Write whole days from the first to the last that anything became known, for everybody."""
        zone = general().zone
        start, end = (end_of_day(moment(edge).astimezone(zone).date(), zone) for edge in (first, last))
        names = pa.array(patients, pa.string())
        edges = (np.full(len(names), start + 1 - DAY), np.full(len(names), end))
        self._write([(names, *edges)] if len(names) else [])

    def periods(self, periods: Iterable[Period], known: Callable[[str], bool], refuse: Callable[..., None]) -> None:
        """Write what each period says; one of nobody on record, without a start or upside down is refused."""

        def parts() -> Iterable[tuple[pa.Array, np.ndarray, np.ndarray]]:
            held: list[Period] = []
            for each in periods:
                if reason := _fault(each, known):
                    refuse(reason, each)
                    continue
                held.append(each)
                if len(held) >= _ROWS:
                    yield _columns(held)
                    held = []
            if held:
                yield _columns(held)

        self._write(parts())

    def _write(self, parts: Iterable[tuple[pa.Array, np.ndarray, np.ndarray]]) -> None:
        schema = table("observed").arrow()
        instant = schema.field("start").type
        writer: pq.ParquetWriter | None = None
        for names, start, end in parts:
            edges = [pa.array(edge, pa.int64(), mask=edge == MISSING).cast(instant) for edge in (start, end)]
            for name in self.tables:
                writer = writer or pq.ParquetWriter(self.path, schema, compression="zstd")
                columns = [names, pa.array([name] * len(names), pa.string()), *edges]
                writer.write_table(pa.table(columns, schema=schema))
                self.written += len(names)
        if writer:
            writer.close()


def _fault(period: Period, known: Callable[[str], bool]) -> str | None:
    if not period.patient_id:
        return "missing_patient_id"
    if not known(period.patient_id):
        return "unknown_patient"
    if period.start is None:
        return "no_time"
    return "end_before_start" if period.end is not None and period.end < period.start else None


def _columns(held: list[Period]) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    names = pa.array([each.patient_id for each in held], pa.string())
    start = np.array([each.start for each in held], np.int64)
    return names, start, np.array([MISSING if each.end is None else each.end for each in held], np.int64)
