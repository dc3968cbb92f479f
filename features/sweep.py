"""The kernel: one walk per patient and landmark, all windows at once.

For each landmark the patient's visible rows are met from the landmark outward: backward in
(time, event_id), or forward for what is upcoming. Each row updates the cells (selection x column x
what is kept) of its signature; all nested windows share them. When the age of a row crosses a
window's edge, the features of that window are read off the cells. Landmarks share nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from features.arrange import INTS, LONGS

DAY = 86_400_000_000.0
WHOLE = 2**62
"""Edge of the unbounded window."""
ALWAYS, UNWATCHED = -(2**63), 2**63 - 1
"""Watched since ever, and not watched."""

COUNT, SUM, SPREAD, MIN, MAX, NEAREST, FARTHEST, SLOPE, DISTINCT = range(9)
"""What a cell keeps."""
AS_COUNT, AS_EXISTS, AS_SUM, AS_MEAN, AS_STD, AS_VALUE, AS_SINCE, AS_SLOPE, AS_DISTINCT, AS_SHARE = range(10)
"""How a feature is read off its cell."""

_VALUES = types.Array(types.float64, 2, "C", readonly=True)


@njit(inline="always")
def _read(how, state, own, part, at, silent):  # type: ignore[no-untyped-def]
    """Read one feature off its cell, which begins at ``own`` (and, for a share, the cell of the part)."""
    if how == AS_COUNT:
        return state[own] if state[own] > 0 else silent
    if how == AS_EXISTS:
        return 1.0 if state[own] > 0 else silent
    if how == AS_SUM:
        return state[own + 2] if state[own] > 0 else silent
    if how == AS_DISTINCT:
        return state[own + 1] if state[own] > 0 else silent
    if how == AS_MEAN:
        return state[own + 2] / state[own + 1] if state[own + 1] > 0 else np.nan
    if how == AS_STD:
        return np.sqrt(state[own + 2] / (state[own] - 1.0)) if state[own] > 1 else np.nan
    if how == AS_VALUE:
        return state[own + 1] if state[own] > 0 else np.nan
    if how == AS_SINCE:
        return np.float64(at - np.int64(state[own + 1])) / DAY if state[own] > 0 else np.nan
    if how == AS_SLOPE:
        return state[own + 4] / state[own + 3] if state[own + 3] > 0 else np.nan
    return state[part] / state[own] if state[own] > 0 else np.nan


@njit(
    types.void(
        LONGS, LONGS, LONGS, LONGS,
        LONGS, LONGS, LONGS, INTS, _VALUES,
        INTS, INTS,
        INTS, INTS, LONGS, LONGS, types.int64,
        LONGS, INTS, INTS, INTS, INTS, LONGS, INTS,
        types.boolean, types.Array(types.float64, 2, "C"),
    ),
    cache=True,
    error_model="numpy",
    nogil=True,
)  # fmt: skip
def sweep(  # type: ignore[no-untyped-def]
    low, high, at, watched,
    time, known, until, signature, values,
    cells_from, cells,
    keeps, column, reach, stamps_from, stamp_count,
    edges, features_from, how, cell, part, needs, target,
    forward, out,
):  # fmt: skip
    """Fill ``out`` for all landmarks of one table in one direction.

    Parameters
    ----------
    low, high, at, watched
        (landmarks,) the patient's rows, the instant, and since when the table was being watched.
    time, known, until, signature, values
        (rows,) in order, and (columns, rows) of numbers, null is NaN.
    cells_from, cells
        The cells of each signature, those of the longest reach first.
    keeps, column, reach, stamps_from, stamp_count
        (cells,) what each keeps, of which column (-1 none), within which age; where the stamps of a
        distinct begin, and how many stamps there are.
    edges
        (windows,) ascending ages at which a window ends.
    features_from, how, cell, part, needs, target
        Features by window: how each is read, off which cells, how long a watch its zero needs, and
        its column of ``out``.
    forward
        True to look ahead.
    out
        (landmarks, features).
    """
    windows = len(edges)
    state = np.empty(len(keeps) * 6)
    stamps = np.full(stamp_count, -1, np.int64)
    for mark in range(len(at)):
        now = at[mark]
        state[:] = 0.0
        left, right = low[mark], high[mark]
        while left < right:
            middle = (left + right) // 2
            if time[middle] <= now:
                left = middle + 1
            else:
                right = middle
        row, last, step = (left, high[mark], 1) if forward else (left - 1, low[mark] - 1, -1)
        window = 0
        while True:
            age = np.int64(WHOLE)
            while row != last:
                if known[row] <= now < until[row]:
                    age = time[row] - now if forward else now - time[row]
                    break
                row += step
            while window < windows and (row == last or age >= edges[window]):
                for feature in range(features_from[window], features_from[window + 1]):
                    silent = 0.0 if watched[mark] <= now - needs[feature] + 1 else np.nan
                    out[mark, target[feature]] = _read(
                        how[feature], state, cell[feature] * 6, part[feature] * 6, now, silent
                    )
                window += 1
            if window == windows:
                break
            for place in range(cells_from[signature[row]], cells_from[signature[row] + 1]):
                each = cells[place]
                if reach[each] <= age:
                    break
                kept, own = keeps[each], each * 6
                if kept == COUNT:
                    state[own] += 1.0
                    continue
                value = values[column[each], row]
                present = value == value
                if kept == SUM:
                    state[own] += 1.0
                    if present:
                        state[own + 1] += 1.0
                        state[own + 2] += value
                elif kept == DISTINCT:
                    state[own] += 1.0
                    if present and stamps[stamps_from[each] + np.int64(value)] != mark:
                        stamps[stamps_from[each] + np.int64(value)] = mark
                        state[own + 1] += 1.0
                elif not present:
                    continue
                elif kept == NEAREST:
                    if state[own] == 0.0:
                        state[own], state[own + 1] = 1.0, value
                elif kept == FARTHEST:
                    state[own], state[own + 1] = 1.0, value
                elif kept == MIN:
                    if state[own] == 0.0 or value < state[own + 1]:
                        state[own], state[own + 1] = 1.0, value
                elif kept == MAX:
                    if state[own] == 0.0 or value > state[own + 1]:
                        state[own], state[own + 1] = 1.0, value
                elif kept == SPREAD:
                    state[own] += 1.0
                    delta = value - state[own + 1]
                    state[own + 1] += delta / state[own]
                    state[own + 2] += delta * (value - state[own + 1])
                else:
                    if state[own] == 0.0:
                        state[own + 5] = np.float64(time[row])
                    state[own] += 1.0
                    day = np.float64(time[row] - np.int64(state[own + 5])) / DAY
                    away = day - state[own + 1]
                    state[own + 1] += away / state[own]
                    state[own + 3] += away * (day - state[own + 1])
                    delta = value - state[own + 2]
                    state[own + 2] += delta / state[own]
                    state[own + 4] += away * (value - state[own + 2])
            row += step
