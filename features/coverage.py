"""Proportion of days covered: the union of supply, cut to the window.

A supply begun at ``time`` lasts [time, time + days). Overlaps count once, gaps stay gaps, supply
begun before the window counts where it reaches in, and leftover supply is never moved later
(the "proportion of days covered" of medication adherence, without carry-over).
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from features.arrange import INTS, LONGS

MOST_DAYS = 1_000_000.0
_VALUES = types.Array(types.float64, 2, "C", readonly=True)
_FLAGS = types.Array(types.boolean, 2, "C", readonly=True)


@njit(
    types.void(
        LONGS, LONGS, LONGS, LONGS,
        LONGS, LONGS, LONGS, INTS, _VALUES,
        _FLAGS, INTS, types.Array(types.float64, 1, "C", readonly=True), LONGS, INTS,
        types.Array(types.float64, 2, "C"),
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def cover(  # type: ignore[no-untyped-def]
    low, high, at, watched,
    time, known, until, signature, values,
    chosen, column, supply, window, target,
    out,
):  # fmt: skip
    """Fill the coverage features of one table.

    Parameters
    ----------
    low, high, at, watched, time, known, until, signature, values, out
        As for the sweep.
    chosen
        (features, signatures) whether a row of that signature supplies.
    column, supply
        (features,) the column that holds the days, or -1 and the days themselves.
    window, target
        (features,) length in microseconds; column of ``out``.
    """
    for mark in range(len(at)):
        now = at[mark]
        for feature in range(len(window)):
            begin = now - window[feature]
            covered, frontier, events = np.int64(0), begin, 0
            for row in range(low[mark], high[mark]):
                if time[row] > now:
                    break
                if not (known[row] <= now < until[row] and chosen[feature, signature[row]]):
                    continue
                days = supply[feature] if column[feature] < 0 else values[column[feature], row]
                end = time[row]
                if days > 0:
                    end += np.int64(np.rint(min(days, MOST_DAYS) * 86_400_000_000.0))
                if time[row] > begin or end > begin:
                    events += 1
                end = min(end, now)
                if end > frontier:
                    covered += end - max(frontier, time[row])
                    frontier = end
            if events > 0:
                out[mark, target[feature]] = np.float64(covered) / np.float64(window[feature])
            else:
                out[mark, target[feature]] = 0.0 if watched[mark] <= begin + 1 else np.nan
