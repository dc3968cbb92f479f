"""Recalled: a list made again from what its record kept, where its candidates cannot be found any more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.affinity.arrange import explore
from training.affinity.display import Display
from training.affinity.item import Item
from training.affinity.recommender import Listed, Recommender


@dataclass(frozen=True)
class Recalled:
    """What a record kept of a list.

    Parameters
    ----------
    shown
        (k,) content ids, in order.
    rows, mean
        (k, columns) what ranker and head read of them; (groups,) the mean over the candidates.
    eligible, sampled
        Content ids of the candidates, and of those that the exploring slot drew from.
    propensity
        (k,) probability of each item in its slot.
    slot, explored, seed
        Of the exploring slot.
    """

    shown: tuple[str, ...]
    rows: np.ndarray
    mean: np.ndarray
    eligible: tuple[str, ...]
    sampled: tuple[str, ...]
    propensity: np.ndarray
    slot: int
    explored: bool
    seed: int

    def listed(self, recommender: Recommender, display: Display, verdict: np.ndarray) -> Listed:
        """Score, explain and draw again; the candidates and the order of what was not drawn are as recorded.

        Parameters
        ----------
        display
            The catalogue as it stood; its popularity is not looked at.
        verdict
            (items,) as `Gate.verdict` tells it: -1 where the person may see an item.

        Raises
        ------
        ExplanationFault
            The contributions do not add up.
        """
        score = recommender.score(self.rows)
        own = recommender.contributions(self.rows, score) if len(score) else np.zeros((0, len(self.mean)))
        shown, sampled, propensity, explored = self._drawn(recommender)
        barred = np.flatnonzero(display.offered & (verdict >= 0))
        return Listed(
            tuple(display.items[display.place[name]] if name in display.place else Item(name) for name in shown),
            recommender.likely(self.rows),
            score,
            own - self.mean,
            self.mean,
            recommender.together.players,
            self.rows,
            propensity,
            self.eligible,
            sampled,
            self.slot,
            explored,
            barred,
            verdict,
            display.items,
        )

    def _drawn(self, recommender: Recommender) -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray, bool]:
        """Return what stands in the list, what its last slot drew from, the propensities, and whether it drew.

        They are drawn again by the seed. What would have stood in a slot that was drawn for is not known, so there
        the propensity is the recorded one; all is as recorded where a filter took an item out of the order.
        """
        place = {name: number for number, name in enumerate(self.eligible)}
        if self.slot not in (0, len(self.shown)) or not set(self.shown) <= place.keys():
            return self.shown, self.sampled, self.propensity, self.explored
        order = np.array([place[name] for name in self.shown], np.int64)
        again = explore(order, len(self.eligible), recommender.values, self.seed)
        shown = tuple(self.eligible[each] for each in again.order)
        sampled = tuple(self.eligible[each] for each in again.sampled)
        return shown, sampled, self.propensity if again.explored else again.propensity, again.explored
