"""Inverse probability of censoring weights, and the observed risk where death competes.

A landmark that is lost to follow-up before its question is answered tells nothing and weighs
nothing; those that are answered stand for it too. Dropping the lost instead would count, among
those with long times, only the lucky.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from training.measures import Measure


class Ended(IntEnum):
    """What ended the follow-up of a landmark."""

    FOLLOWED = 0
    EVENT = 1
    DEATH = 2
    LOST = 3


@dataclass(frozen=True)
class Weights:
    """Weights of landmarks.

    Parameters
    ----------
    weight
        (n,) 0 where lost, else one over the probability of being followed so long.
    clipped
        Share of the weights that the truncation held back, among those above 0.
    lost
        Share of the landmarks that were lost.
    followed
        Probability of being followed to the longest time.
    """

    weight: np.ndarray
    clipped: float
    lost: float
    followed: float

    @property
    def text(self) -> str:
        """The figures in one sentence, for a card."""
        return (
            f"lost to follow-up {self.lost:.2%}; weights 1 / G from {_least(self.weight):.3f} to "
            f"{self.weight.max(initial=0.0):.3f}, {self.clipped:.2%} of them clipped"
        )


def weights(days: np.ndarray, ended: np.ndarray, least_followed: float) -> Weights:
    """Weigh landmarks by the inverse probability of not being lost (Robins and Rotnitzky 1992; Graf 1999).

    An event, and a death that competes, at T weighs 1 / G(T-); a landmark followed to its horizon
    h weighs 1 / G(h); one lost before either weighs 0. G is the Kaplan-Meier estimate for the loss
    to follow-up alone.

    Parameters
    ----------
    days
        (n,) time from the landmark to what ended it, at most its horizon.
    ended
        (n,) :class:`Ended`.
    least_followed
        G is truncated from below at this, so that no landmark stands for too many.
    """
    lost = ended == Ended.LOST
    times, survival = _kept(days, ended)
    before = np.where(ended == Ended.FOLLOWED, "right", "left")
    place = np.where(
        before == "right", np.searchsorted(times, days, side="right"), np.searchsorted(times, days, side="left")
    )
    g = survival[place]
    weight = np.where(lost, 0.0, 1.0 / np.maximum(g, least_followed))
    held = ~lost & (g < least_followed)
    answered = int((~lost).sum())
    return Weights(
        weight,
        float(held.sum() / answered) if answered else 0.0,
        float(lost.mean()) if len(lost) else 0.0,
        float(survival[-1]),
    )


def observed_risk(days: np.ndarray, ended: np.ndarray) -> Measure:
    """Risk of the event within the horizon with death competing (Aalen and Johansen 1978), as a measure.

    Parameters
    ----------
    days
        (n,) time from the landmark to what ended it.
    ended
        (n,) :class:`Ended`; the lost and the followed are censored at their time.

    Returns
    -------
    Measure
        Counts of the rows (b, n) in, risks (b,) out.
    """
    order = np.argsort(days, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(days[order]) != 0]) if len(days) else np.empty(0, dtype=np.int64)
    happened = (ended[order] == Ended.EVENT).astype(float)
    failed = happened + (ended[order] == Ended.DEATH)

    def measure(counts: np.ndarray) -> np.ndarray:
        ranked = counts[:, order]
        events = np.add.reduceat(ranked * happened, starts, axis=1)
        failures = np.add.reduceat(ranked * failed, starts, axis=1)
        at_risk = np.cumsum(np.add.reduceat(ranked, starts, axis=1)[:, ::-1], axis=1)[:, ::-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            hazard = np.where(at_risk > 0, events / at_risk, 0.0)
            staying = np.cumprod(np.where(at_risk > 0, 1 - failures / at_risk, 1.0), axis=1)
        until = np.concatenate([np.ones((len(counts), 1)), staying[:, :-1]], axis=1)
        return np.asarray((until * hazard).sum(axis=1))

    return measure


def _kept(days: np.ndarray, ended: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the times of losses, ascending, and G after none, one, two ... of them.

    At a tie what happened comes first: whoever had an event at t is not at risk of a loss at t, whoever is
    followed to t is.
    """
    times, count = np.unique(days[ended == Ended.LOST], return_counts=True)
    later = len(days) - np.searchsorted(np.sort(days), times, side="right")
    to = np.sort(days[ended == Ended.FOLLOWED])
    ending = np.searchsorted(to, times, side="right") - np.searchsorted(to, times, side="left")
    return times, np.r_[1.0, np.cumprod(1 - count / (later + ending + count))]


def _least(weight: np.ndarray) -> float:
    answered = weight[weight > 0]
    return float(answered.min()) if len(answered) else 0.0
