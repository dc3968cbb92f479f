"""Since when a patient's table had been watched without a break, at each landmark.

A zero says "looked, and there was nothing": it stands only where ``observed`` covers the window.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numba import njit, types

from features.arrange import LONGS
from features.axis import encoded
from features.roster import Roster
from features.sweep import ALWAYS, UNWATCHED, WHOLE

OBSERVED = ("patient_id", "table", "start", "end")
"""Columns of the table ``observed`` that decide."""


@njit(types.void(LONGS, LONGS, LONGS, LONGS, LONGS, types.Array(types.int64, 1, "C")), cache=True, nogil=True)
def watched(first, last, start, end, at, since):  # type: ignore[no-untyped-def]
    """Set ``since`` from each patient's intervals [first, last), sorted by start; those that touch are one."""
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


class Watch:
    """Who watched which table of which patient, and when.

    Parameters
    ----------
    observed
        The columns OBSERVED; None where there is no such table: then every zero stands.
    patients
        Who is asked about.
    """

    def __init__(self, observed: pa.Table | None, patients: Roster) -> None:
        self.said = observed is not None
        if observed is None:
            return
        patient = patients.places(observed["patient_id"]).astype(np.int64)
        places, words = encoded(observed["table"])
        start, end = observed["start"].cast(pa.int64()), observed["end"].cast(pa.int64())
        kept = (patient >= 0) & (places >= 0) & start.is_valid().to_numpy()
        self._tables = {name: place for place, name in enumerate(words)}
        whose = (patient * len(words) + places)[kept]
        begin = start.fill_null(0).to_numpy()[kept]
        order = np.lexsort((begin, whose))
        self._whose, self._start = whose[order], begin[order]
        self._end = end.fill_null(WHOLE).to_numpy()[kept][order]

    def since(self, table: str, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return, for each landmark, since when the table had been watched.

        Parameters
        ----------
        table
            Name of the table whose zeros are asked about.
        which
            (landmarks,) place of each landmark's patient.
        at
            (landmarks,) UTC microseconds.

        Returns
        -------
        np.ndarray
            (landmarks,) UTC microseconds; ALWAYS, or UNWATCHED where nobody watched at the landmark.
        """
        if not self.said:
            return np.full(len(at), ALWAYS)
        if table not in self._tables:
            return np.full(len(at), UNWATCHED)
        asked = which * len(self._tables) + self._tables[table]
        first, last = np.searchsorted(self._whose, asked), np.searchsorted(self._whose, asked, side="right")
        since = np.empty(len(at), np.int64)
        watched(first, last, self._start, self._end, at, since)
        return since

    def spans(self, table: str) -> tuple[np.ndarray, np.ndarray]:
        """Return starts and ends of a table's intervals, by start, where one patient alone is asked about."""
        if not self.said or table not in self._tables:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        own = self._whose == self._tables[table]
        return self._start[own], self._end[own]
