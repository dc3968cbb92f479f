"""The calendar of a simulation: local days counted from an origin, in cells of one month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np

from features.errors import InputError

LOCAL = timezone(timedelta(hours=8), "Asia/Shanghai")  # without daylight saving since 1991
DAY = 86_400_000_000
BURN_IN = 12  # months simulated before the records begin, so that the first month is nothing special
AHEAD = 16  # months of latent state after the end: the horizon of the truth (365 days and back-dating)


@dataclass(frozen=True)
class Grid:
    """Months as cells.

    Attributes
    ----------
    zero
        UTC microseconds of the local midnight that begins day 0.
    edges
        First day of each month, and of the month after the last: shape (cells + 1,).
    start, end
        First day of the records; the day after their last.
    live
        Cells in which events happen; those after it only carry latent state.
    """

    zero: int
    edges: np.ndarray
    start: int
    end: int
    live: int

    @property
    def cells(self) -> int:
        return len(self.edges) - 1

    @property
    def days(self) -> np.ndarray:
        """Days of each cell."""
        return np.diff(self.edges)

    @property
    def years(self) -> np.ndarray:
        """Middle of each cell, in years from day 0."""
        return (self.edges[:-1] + self.edges[1:]) / 2 / 365.25

    @property
    def months(self) -> np.ndarray:
        """Calendar month of each cell, 0 for January."""
        first = datetime.fromtimestamp(self.zero / 1e6, LOCAL).month - 1
        return (first + np.arange(self.cells)) % 12

    @property
    def closing(self) -> int:
        """UTC microseconds at which the records end."""
        return int(self.micros(self.end))

    @property
    def landmarks(self) -> np.ndarray:
        """Cells whose last instant is a landmark of the truth: a whole month within the records."""
        after = self.edges[1:]
        return np.flatnonzero((after > self.start) & (after <= self.end))

    def at(self, cell: int) -> int:
        """UTC microseconds of the last instant of a cell."""
        return int(self.micros(self.edges[cell + 1])) - 1

    def micros(self, day: np.ndarray | int, second: np.ndarray | float = 0.0) -> np.ndarray:
        """Return UTC microseconds of a day and a second of that local day."""
        return self.zero + np.asarray(day, np.int64) * DAY + (np.asarray(second, np.float64) * 1e6).astype(np.int64)

    def cell(self, day: np.ndarray) -> np.ndarray:
        """Return the cell of each day."""
        return np.clip(np.searchsorted(self.edges, day, side="right") - 1, 0, self.cells - 1)


def grid(years: float, end: date) -> Grid:
    """Return the calendar of records that cover ``years`` up to the end of day ``end``.

    Raises
    ------
    InputError
        Fewer than one year, or more than thirty.
    """
    if not 1 <= years <= 30:
        raise InputError(f"{years:g} years", where="simulation", remedy="give from 1 to 30 years")
    start = end + timedelta(days=1) - timedelta(days=round(years * 365.25))
    first = start.year * 12 + start.month - 1 - BURN_IN
    last = end.year * 12 + end.month
    begins = [date(month // 12, month % 12 + 1, 1) for month in range(first, last + AHEAD + 1)]
    edges = np.array([(begin - begins[0]).days for begin in begins], np.int64)
    zero = int(datetime(begins[0].year, begins[0].month, 1, tzinfo=LOCAL).astimezone(UTC).timestamp()) * 1_000_000
    return Grid(
        zero=zero,
        edges=edges,
        start=(start - begins[0]).days,
        end=(end - begins[0]).days + 1,
        live=last - first,
    )
