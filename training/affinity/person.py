"""Person: what ranking reads of one patient at an instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EDGES = (14, 18, 45, 60, 75)
"""Years at which an age band begins."""
AGES = ("<14", "14-17", "18-44", "45-59", "60-74", "75+")
"""Their names."""
BANDS = len(EDGES) + 2


@dataclass(frozen=True)
class Person:
    """One patient at an instant.

    Parameters
    ----------
    history
        (n,) places of the items touched, each once, oldest first touch first.
    time
        (n,) first touch of each, UTC microseconds.
    age
        Years, None where unknown.
    conditions
        Names of the codelists on record.
    """

    history: np.ndarray
    time: np.ndarray
    age: float | None = None
    conditions: frozenset[str] = frozenset()

    @staticmethod
    def stranger(age: float | None = None, conditions: frozenset[str] = frozenset()) -> Person:
        """Return someone of whom no reading is known."""
        return Person(np.empty(0, np.int64), np.empty(0, np.int64), age, conditions)

    @property
    def band(self) -> int:
        """Age band: 0 where the age is unknown."""
        return 0 if self.age is None else 1 + int(np.searchsorted(EDGES, self.age, side="right"))
