"""Touches: who opened what and when, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.instants import DAY


@dataclass(frozen=True)
class Touches:
    """Opened items in order of time.

    Parameters
    ----------
    user, item
        (n,) places in ``users`` and ``items``.
    time
        (n,) UTC microseconds, ascending.
    users, items
        Ids.
    born
        (items,) when an item can be shown from: its publication, else its first touch by anyone.
    """

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    users: np.ndarray
    items: np.ndarray
    born: np.ndarray

    @staticmethod
    def of(patient_id: np.ndarray, content_id: np.ndarray, time: np.ndarray, published: dict[str, int]) -> Touches:
        """Index raw columns. ``published`` gives publications, where known; its items count without a touch too."""
        order = np.argsort(time, kind="stable")
        users, user = np.unique(patient_id[order].astype(str), return_inverse=True)
        names = np.unique(np.concatenate([content_id.astype(str), np.array(list(published), dtype=str)]))
        item = np.searchsorted(names, content_id[order].astype(str))
        moment = time[order]
        born = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(born, item, moment)
        for place, name in enumerate(names):
            if str(name) in published:
                born[place] = published[str(name)]
        return Touches(user, item, moment, users, names, born)

    @cached_property
    def first(self) -> np.ndarray:
        """(n,) True where a user touches an item for the first time."""
        pair = self.user.astype(np.int64) * len(self.items) + self.item
        _, places = np.unique(pair, return_index=True)
        found = np.zeros(len(pair), dtype=bool)
        found[places] = True
        return found

    def before(self, at: int) -> slice:
        """Return the touches strictly before an instant."""
        return slice(0, int(np.searchsorted(self.time, at, side="left")))

    def user_days(self, start: int, days: int) -> list[tuple[int, dict[int, np.ndarray]]]:
        """Return each day's start, and by user the items first touched that day that were there before it."""
        found = []
        for cut in start + np.arange(days) * DAY:
            day = slice(self.before(int(cut)).stop, self.before(int(cut) + DAY).stop)
            chosen = self.first[day] & (self.born[self.item[day]] < cut)
            relevant: dict[int, np.ndarray] = {}
            for user in np.unique(self.user[day][chosen]):
                relevant[int(user)] = np.unique(self.item[day][chosen & (self.user[day] == user)])
            found.append((int(cut), relevant))
        return found


def popularity(touches: Touches, at: int, half_life_h: float) -> np.ndarray:
    """Return (items,) touches before an instant, each halved in weight every half-life."""
    past = touches.before(at)
    age_h = (at - touches.time[past]) / (DAY / 24)
    return np.bincount(touches.item[past], weights=0.5 ** (age_h / half_life_h), minlength=len(touches.items))
