"""Since when a patient's table had been watched without a break, at each landmark.

A zero says "looked, and there was nothing": it stands only where ``observed`` covers the window.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit, types

from features.arrange import LONGS
from features.sweep import ALWAYS, UNWATCHED, WHOLE

OBSERVED = ("patient_id", "table", "start", "end")
"""Columns of the table ``observed`` that decide."""


@njit(types.void(LONGS, LONGS, LONGS, LONGS, LONGS, types.Array(types.int64, 1, "C")), cache=True, nogil=True)
def _watched(first, last, start, end, at, since):  # type: ignore[no-untyped-def]
    """Merge each patient's intervals, sorted by start; those that touch are one."""
    for mark in range(len(at)):
        since[mark] = UNWATCHED
        row = first[mark]
        while row < last[mark] and start[row] <= at[mark]:
            begin, stop = start[row], end[row]
            row += 1
            while row < last[mark] and start[row] - 1 <= stop:
                stop = max(stop, end[row])
                row += 1
            if stop >= at[mark]:
                since[mark] = begin
                break


@njit(types.void(LONGS, LONGS, LONGS, LONGS, LONGS, LONGS, types.Array(types.int64, 1, "C")), cache=True, nogil=True)
def seen(low, high, at, time, known, until, since):  # type: ignore[no-untyped-def]
    """Set ``since`` to always where a row is visible, which for patients is enough."""
    for mark in range(len(at)):
        since[mark] = UNWATCHED
        for row in range(low[mark], high[mark]):
            if time[row] <= at[mark] and known[row] <= at[mark] < until[row]:
                since[mark] = ALWAYS
                break


def watched_since(
    observed: pa.Table | None, table: str, patients: pa.Array, which: np.ndarray, at: np.ndarray
) -> np.ndarray:
    """Return, for each landmark, since when the table had been watched.

    Parameters
    ----------
    observed
        The columns OBSERVED of that table; None where there is no such table: then every zero stands.
    table
        Name of the table whose zeros are asked about.
    patients
        Distinct patient ids; ``which`` is the place of each landmark's patient among them.
    at
        (landmarks,) UTC microseconds.

    Returns
    -------
    np.ndarray
        (landmarks,) UTC microseconds; ALWAYS, or UNWATCHED where nobody watched at the landmark.
    """
    if observed is None:
        return np.full(len(at), ALWAYS)
    rows = observed.filter(pc.and_(pc.equal(observed["table"], table), pc.is_valid(observed["start"])))
    patient = pc.index_in(rows["patient_id"], value_set=patients).fill_null(-1).to_numpy()
    start = rows["start"].cast(pa.int64()).to_numpy()
    end = rows["end"].cast(pa.int64()).fill_null(WHOLE).to_numpy()
    order = np.lexsort((start, patient))
    order = order[patient[order] >= 0]
    bounds = np.searchsorted(patient[order], np.arange(len(patients) + 1))
    since = np.empty(len(at), np.int64)
    _watched(bounds[which], bounds[which + 1], start[order], end[order], at, since)
    return since
