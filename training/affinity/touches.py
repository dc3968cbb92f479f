"""Touches: who did what with which item and when, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from features.instants import DAY

HOUR = DAY / 24


class Touch(NamedTuple):
    """One touch as it streams in: of which item, when (UTC microseconds), by whom, and its worth.

    A touch whose ``reader`` is not told counts as somebody else's.
    """

    content_id: str
    time: int
    reader: str = ""
    worth: float = 1.0


@dataclass(frozen=True)
class Touches:
    """What people did with items, in order of time.

    Parameters
    ----------
    user, item
        (n,) places in ``users`` and ``items``.
    time, known
        (n,) UTC microseconds; ``time`` ascends, ``known`` is when the hospital could see it.
    weight
        (n,) worth of the kind of touch, 1 for a plain view.
    users, items
        Ids, sorted.
    born
        (items,) when an item can be shown from: its publication, else its first touch by anyone.
    """

    user: np.ndarray
    item: np.ndarray
    time: np.ndarray
    known: np.ndarray
    weight: np.ndarray
    users: np.ndarray
    items: np.ndarray
    born: np.ndarray

    @staticmethod
    def of(
        patient_id: np.ndarray,
        content_id: np.ndarray,
        time: np.ndarray,
        published: dict[str, int],
        known: np.ndarray | None = None,
        weight: np.ndarray | None = None,
    ) -> Touches:
        """Index raw columns. ``published`` gives publications, where known; its items count without a touch too."""
        order = np.argsort(time, kind="stable")
        users, user = np.unique(patient_id[order].astype(str), return_inverse=True)
        names = np.unique(np.concatenate([content_id.astype(str), np.array(list(published), dtype=str)]))
        item = np.searchsorted(names, content_id[order].astype(str))
        moment = time[order]
        seen = moment if known is None else np.maximum(known[order], moment)
        born = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(born, item, seen)
        for place, name in enumerate(names):
            if str(name) in published:
                born[place] = published[str(name)]
        worth = np.ones(len(moment)) if weight is None else weight[order]
        return Touches(user, item, moment, seen, worth, users, names, born)

    @cached_property
    def pair(self) -> np.ndarray:
        """(n,) One number for each pair of user and item."""
        return self.user.astype(np.int64) * len(self.items) + self.item

    @cached_property
    def first(self) -> np.ndarray:
        """(n,) True where a user touches an item for the first time."""
        _, places = np.unique(self.pair, return_index=True)
        found = np.zeros(len(self.pair), dtype=bool)
        found[places] = True
        return found

    @cached_property
    def _late(self) -> bool:
        return bool((self.known > self.time).any())

    def before(self, at: int) -> np.ndarray:
        """Return the places of the touches that happened, and were known, strictly before an instant."""
        end = int(np.searchsorted(self.time, at, side="left"))
        return np.flatnonzero(self.known[:end] < at) if self._late else np.arange(end)

    def relevant(self, start: int, end: int) -> dict[int, np.ndarray]:
        """Return by user the items first touched in [start, end) that were there before ``start``."""
        window = slice(*np.searchsorted(self.time, [start, end], side="left"))
        chosen = self.first[window] & (self.born[self.item[window]] < start)
        user, item = self.user[window][chosen], self.item[window][chosen]
        if not len(user):
            return {}
        order = np.argsort(user, kind="stable")
        user, item = user[order], item[order]
        names, begins = np.unique(user, return_index=True)
        return {int(name): np.unique(part) for name, part in zip(names, np.split(item, begins[1:]), strict=True)}

    def early(self, start: int, end: int) -> np.ndarray:
        """Return the items of the first touches in [start, end) that were not there before ``start``, one a touch."""
        window = slice(*np.searchsorted(self.time, [start, end], side="left"))
        return self.item[window][self.first[window] & (self.born[self.item[window]] >= start)]

    @cached_property
    def met(self) -> np.ndarray:
        """(items,) When the hospital first saw anybody touch an item, UTC microseconds."""
        found = np.full(len(self.items), np.iinfo(np.int64).max)
        np.minimum.at(found, self.item, self.known)
        return found

    def active(self, start: int, end: int) -> np.ndarray:
        """Return the users that touch anything in [start, end)."""
        window = slice(*np.searchsorted(self.time, [start, end], side="left"))
        return np.unique(self.user[window])


def decayed(item: np.ndarray, age_h: np.ndarray, weight: np.ndarray, half_life_h: float, count: int) -> np.ndarray:
    """Return (count,) weights summed by item, each halved every half-life."""
    return np.bincount(item, weights=weight * 0.5 ** (age_h / half_life_h), minlength=count)


def popularity(touches: Touches, at: int, half_life_h: float) -> np.ndarray:
    """Return (items,) touches before an instant, each halved in weight every half-life."""
    past = touches.before(at)
    age_h = (at - touches.time[past]) / HOUR
    return decayed(touches.item[past], age_h, np.ones(len(past)), half_life_h, len(touches.items))
