"""A spool: drafts of one table on disk until all that their checks need has been read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.schema import ARROW, table
from features.sources.draft import Draft, Refusal

ROWS = 50_000
"""Rows held in memory, and in a row group."""
PLACE = (("_file", pa.string()), ("_row", pa.int64()), ("_encounter", pa.string()), ("_panel", pa.string()))
"""Columns that travel with a draft: where it stood and what it belongs to."""


class Spool:
    """Drafts of one table, appended in order and read back in batches; one of the wrong shape is refused.

    Parameters
    ----------
    path
        The Parquet file that holds them; instants are plain int64 in it.
    name
        Canonical table.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name, self.refused = path, name, list[Refusal]()
        columns = [
            (each.name, pa.int64() if each.kind == "instant" else ARROW[each.kind]) for each in table(name).columns
        ]
        self.schema = pa.schema([*columns, *PLACE])
        self._waiting: list[Draft] = []
        self._writer: pq.ParquetWriter | None = None

    def append(self, draft: Draft) -> None:
        self._waiting.append(draft)
        if len(self._waiting) >= ROWS:
            self._flush()

    def close(self) -> None:
        """Write what still waits."""
        if self._waiting:
            self._flush()
        if self._writer:
            self._writer.close()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in their order; none where nothing was appended."""
        if self._writer:
            with pq.ParquetFile(self.path) as file:
                yield from file.iter_batches(batch_size=ROWS)

    def _flush(self) -> None:
        try:
            batch = self._batch(self._waiting)
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError):
            batch = self._batch([draft for draft in self._waiting if self._fits(draft)])
        self._waiting = []
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, self.schema, compression="lz4")
        self._writer.write_batch(batch)

    def _fits(self, draft: Draft) -> bool:
        try:
            self._batch([draft])
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, OverflowError):
            self.refused.append(Refusal(self.name, "malformed_resource", draft.file, draft.row))
            return False
        return True

    def _batch(self, drafts: list[Draft]) -> pa.RecordBatch:
        values = [draft.values for draft in drafts]
        own = len(self.schema) - len(PLACE)
        arrays = [pa.array([row.get(field.name) for row in values], field.type) for field in list(self.schema)[:own]]
        place = (
            zip(*((draft.file, draft.row, draft.encounter, draft.panel) for draft in drafts)) if drafts else ((),) * 4
        )
        arrays += [pa.array(column, kind) for column, (_, kind) in zip(place, PLACE)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)
