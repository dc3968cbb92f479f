"""From arrays to canonical Arrow tables: event ids, versions, and only what was known at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.schema import ARROW, table
from simulation.chunk import Chunk


@dataclass(frozen=True)
class Words:
    """Texts by index into a short list; -1 is null."""

    values: tuple[str, ...]
    index: np.ndarray


Value: TypeAlias = np.ndarray | Words | pa.Array | str | float | bool | None


@dataclass
class Rows:
    """The rows of one canonical table of a chunk.

    An event keeps its serial number across versions; ``add`` takes equally long arrays and
    scalars, and leaves out what became known only after the records end.
    """

    chunk: Chunk
    name: str
    _parts: list[pa.Table] = field(default_factory=list)
    _next: int = 0

    def serials(self, count: int) -> np.ndarray:
        """Return numbers for new events."""
        self._next += count
        return np.arange(self._next - count, self._next)

    def add(
        self,
        patient: np.ndarray,
        time: np.ndarray,
        known_at: np.ndarray,
        serial: np.ndarray | None = None,
        *,
        version: np.ndarray | int = 1,
        void: bool = False,
        **own: Any,
    ) -> np.ndarray:
        """Append rows and return their serial numbers.

        Parameters
        ----------
        patient
            Indices of patients in the chunk.
        time, known_at
            UTC microseconds; ``known_at`` is never taken below ``time`` except where a planned
            event is known ahead.
        own
            Columns of the table by name; those not given are null.
        """
        serial = self.serials(len(patient)) if serial is None else serial
        keep = np.flatnonzero(known_at <= self.chunk.grid.closing)
        known: dict[str, Value] = {
            "patient_id": pc.take(self.chunk.ids, pa.array(patient[keep])),
            "time": time[keep],
            "known_at": known_at[keep],
            "event_id": _ids(f"{self.name[:3]}{self.chunk.number}-", serial[keep]),
            "version": version[keep] if isinstance(version, np.ndarray) else version,
            "void": void,
        }
        known |= {name: taken(value, keep) for name, value in own.items()}
        columns = {
            column.name: _arrow(known.get(column.name), ARROW[column.kind], len(keep))
            for column in table(self.name).columns
        }
        self._parts.append(pa.table(columns))
        return serial

    def table(self) -> pa.Table:
        """Return all rows added so far."""
        schema = table(self.name).arrow()
        return pa.concat_tables(self._parts) if self._parts else schema.empty_table()


def _ids(prefix: str, serial: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(pa.scalar(prefix), pa.array(serial).cast(pa.string()), pa.scalar(""))


def taken(value: Value, keep: np.ndarray) -> Value:
    """Return the chosen entries of a column; a scalar stays what it is."""
    if isinstance(value, Words):
        return Words(value.values, value.index[keep])
    if isinstance(value, np.ndarray):
        return value[keep]
    return pc.take(value, pa.array(keep)) if isinstance(value, pa.Array | pa.ChunkedArray) else value


def _arrow(value: Value, kind: pa.DataType, count: int) -> pa.Array:
    if value is None:
        return pa.nulls(count, kind)
    if isinstance(value, Words):
        index = pa.array(value.index, pa.int32(), mask=value.index < 0)
        return pa.DictionaryArray.from_arrays(index, pa.array(value.values, kind)).cast(kind)
    if isinstance(value, np.ndarray):
        if pa.types.is_timestamp(kind):
            return pa.array(value.astype(np.int64), pa.int64(), mask=value == ABSENT).cast(kind)
        return pa.array(value, from_pandas=value.dtype.kind == "f").cast(kind)
    if isinstance(value, pa.Array | pa.ChunkedArray):
        return value.cast(kind)
    return pa.repeat(pa.scalar(value, kind), count)


ABSENT = np.iinfo(np.int64).min  # an instant that is null
