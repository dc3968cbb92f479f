"""The clock that a stay in hospital stops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_MILLI = 1000


@dataclass(frozen=True)
class Stays:
    """Stays in hospital, which may overlap.

    Parameters
    ----------
    place
        (m,) patient of each stay, as a place in some list of patients.
    start, end
        (m,) UTC microseconds, the end after the start.
    """

    place: np.ndarray
    start: np.ndarray
    end: np.ndarray

    def until(self, place: np.ndarray, moment: np.ndarray) -> np.ndarray:
        """Return the (n,) microseconds that each patient spent in hospital before each moment."""
        if not len(self.start):
            return np.zeros(len(moment), dtype=np.int64)
        order = np.lexsort((self.end, self.start, self.place))
        where, start, end = self.place[order], self.start[order], self.end[order]
        zero = int(start.min())
        width = int(end.max()) - zero + 1
        span = width // _MILLI + 2
        # the furthest end so far, within the patient: keys of one patient never reach the next one's
        reach = np.maximum.accumulate(where * span + (end - zero) // _MILLI + 1) - where * span
        reach = np.minimum(reach * _MILLI, width)
        fresh = np.r_[True, where[1:] != where[:-1]]
        before = np.where(fresh, start - zero, np.r_[0, reach[:-1]])
        length = np.maximum(0, (end - zero) - np.maximum(start - zero, before))
        total = np.r_[0, np.cumsum(length)]
        at = np.clip(moment - zero, -1, width)
        last = np.searchsorted(where * span + (start - zero) // _MILLI, place * span + at // _MILLI, side="right")
        first = np.searchsorted(where, place, side="left")
        some = last > first
        beyond = np.where(some, np.maximum(0, reach[np.maximum(last - 1, 0)] - np.maximum(at, 0)), 0)
        return np.where(some, np.maximum(0, total[last] - total[first] - beyond), 0)
