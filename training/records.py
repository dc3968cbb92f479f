"""Until when the tables of a lake tell what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.instants import DAY

if TYPE_CHECKING:
    from features.lake import Lake

NEVER = np.iinfo(np.int64).max
_SILENCE_DAYS = 365
_FEW = 0.01


def instants(column: pa.ChunkedArray) -> np.ndarray:
    """Return UTC microseconds; null is never."""
    return column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).fill_null(NEVER).to_numpy()


def told_until(lake: Lake, table: str) -> int:
    """Return the last instant at which something that had happened became known, UTC microseconds; NEVER where nothing.

    A booking tells nothing of the day that it is for, nor does what is dated over a day after it was known. At most
    a hundredth of the rows, if they follow a silence of a year, are taken for mistaken dates.
    """
    if table not in lake.tables():
        return int(NEVER)
    booked = ("status",) if table == "encounters" else ()
    rows = lake.read(table, columns=["patient_id", "time", "known_at", *booked])
    for name in booked:
        rows = rows.filter(pc.not_equal(pc.fill_null(rows[name], ""), "planned"))
    time, known = instants(rows["time"]), instants(rows["known_at"])
    known = np.sort(np.maximum(time, known)[(time <= known + DAY) & (known != NEVER) & (time != NEVER)])
    if not len(known):
        return int(NEVER)
    last = known[len(known) - 1 - int(len(known) * _FEW) :]
    silent = np.flatnonzero(np.diff(last) > _SILENCE_DAYS * DAY)
    return int(last[silent[0]] if len(silent) else last[-1])
