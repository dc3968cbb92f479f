"""Rolling time: at each cut, what was known before it ranks what is first opened after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.affinity.columns import Sight, rows
from training.affinity.person import Person
from training.affinity.readers import Readership
from training.affinity.retrieve import retrieve
from training.affinity.stage import Stage
from training.affinity.values import AffinityValues

NOTHING = np.empty(0, np.int64)


@dataclass(frozen=True)
class Window:
    """One cut.

    Parameters
    ----------
    stage
        What was known before the cut.
    end
        UTC microseconds, itself outside.
    relevant
        User -> places of the items first touched in the window that were there before it.
    active
        Users that touched anything in the window.
    """

    stage: Stage
    end: int
    relevant: dict[int, np.ndarray]
    active: list[int]

    @staticmethod
    def at(given: Readership, cut: int, every: int, values: AffinityValues) -> Window | None:
        """Return the window of a cut, None where nobody touched anything."""
        active = given.touches.active(cut, cut + every)
        if not len(active):
            return None
        return Window(given.stage(cut, values), cut + every, given.touches.relevant(cut, cut + every), active.tolist())


@dataclass(frozen=True)
class UserDay:
    """One person in one window.

    Parameters
    ----------
    allowed
        (items,) True for what can be ranked: there before the cut and not touched before.
    candidates, rows
        Places of the candidates (n,), and their columns (n, columns).
    relevant
        Places of the items first touched in the window.
    pretended
        Someone with a history who is taken for a stranger.
    """

    user: int
    person: Person
    allowed: np.ndarray
    candidates: np.ndarray
    rows: np.ndarray
    relevant: np.ndarray
    pretended: bool = False

    @property
    def opened(self) -> np.ndarray:
        return np.isin(self.candidates, self.relevant)


def user_day(given: Readership, window: Window, user: int, values: AffinityValues, stranger: bool = False) -> UserDay:
    """Put one person's candidates in rows; a ``stranger`` is taken for one whose reading nobody knows."""
    stage = window.stage
    person = given.person(user, stage.at)
    allowed = stage.there.copy()
    allowed[person.history] = False
    pretended = stranger and len(person.history) > 0
    if stranger:
        person = Person.stranger(person.age, person.conditions)
    sight = Sight(stage, person)
    candidates = retrieve(sight, allowed, values)
    relevant = window.relevant.get(user, NOTHING)
    return UserDay(user, person, allowed, candidates, rows(sight, candidates), relevant, pretended)
