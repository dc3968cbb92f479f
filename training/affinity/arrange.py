"""Arrange: from scores to the slots of a list: topics and layers mixed, nothing repeated, one slot exploring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, types

from training.affinity.catalogue import Catalogue
from training.affinity.gathered import Gathered
from training.affinity.values import AffinityValues


@dataclass(frozen=True)
class Arranged:
    """A list with what its logging needs.

    Parameters
    ----------
    order
        (k,) places among the candidates, best first.
    propensity
        (k,) probability of each item in its slot, over the policy's own randomness.
    slot
        The exploring slot, from 1; 0 where there is none.
    sampled
        Places among the candidates that the exploring slot drew from.
    explored
        Whether it did draw.
    """

    order: np.ndarray
    propensity: np.ndarray
    slot: int
    sampled: np.ndarray
    explored: bool


def spread(
    score: np.ndarray, candidates: np.ndarray, catalogue: Catalogue, k: int, values: AffinityValues
) -> np.ndarray:
    """Return (k,) places among the candidates: greedily the best, less what a topic or layer shown before costs.

    At most ``repeat_cap`` items of one topic stand in ten slots, while others remain.
    """
    cap = max(1, round(values.repeat_cap * k / 10)) if k > 1 else 1
    reach = 4 * k + 10
    while True:
        head = _head(score, min(reach, len(score)))
        about = Gathered(catalogue.topics, candidates[head]).dense()
        layers = catalogue.facets["layer"][candidates[head]]
        shared, many = about @ about.T, about.sum(axis=1)
        alike = shared / np.maximum(many[:, None] + many[None, :] - shared, 1)
        alike += (layers[:, None] == layers[None, :]) & (layers >= 0)
        order, capped = _greedy(score[head], alike, about, min(k, len(head)), cap, values.diversity)
        if not capped or reach >= len(score):
            return np.asarray(head[order])
        reach *= 4


def _head(score: np.ndarray, reach: int) -> np.ndarray:
    """Return the so many best places, best first; of equals the first."""
    head = np.argpartition(-score, reach - 1)[:reach] if reach < len(score) else np.arange(len(score))
    return head[np.lexsort((head, -score[head]))]


_REAL = types.float64[::1]
_MATRIX = types.float64[:, ::1]
_GREEDY = types.Tuple((types.int64[::1], types.boolean))(
    _REAL, _MATRIX, _MATRIX, types.int64, types.int64, types.float64
)


@njit(_GREEDY, cache=True, nogil=True)
def _greedy(score, alike, about, k, cap, diversity):  # type: ignore[no-untyped-def]
    """Return (k,) places, each the best left, less ``diversity`` times what is alike before; capped topics last.

    The second value says whether one of them was capped: nothing else was left.
    """
    worth, shown = score.copy(), np.zeros(about.shape[1])
    left, order, capped = np.ones(len(score), np.bool_), np.empty(k, np.int64), False
    for slot in range(k):
        best, best_fresh = -1, False
        for place in range(len(score)):
            if not left[place]:
                continue
            fresh = True
            for topic in range(about.shape[1]):
                fresh &= not (about[place, topic] > 0 and shown[topic] >= cap)
            if best < 0 or (fresh and not best_fresh) or (fresh == best_fresh and worth[place] > worth[best]):
                best, best_fresh = place, fresh
        order[slot] = best
        capped |= not best_fresh
        left[best] = False
        shown += about[best]
        worth -= diversity * alike[best]
    return order, capped


def explore(order: np.ndarray, count: int, values: AffinityValues, seed: int) -> Arranged:
    """Open the last slot to a draw from a few candidates sampled uniformly outside the slots before it.

    The propensity is that of (item, slot) given the sample, which is logged: 1 - p + p / M for what would
    stand there anyway if it was sampled too, 1 - p if not, p / M for the others sampled.

    Parameters
    ----------
    order
        (k,) places of the list without exploring.
    count
        Number of candidates.
    """
    given = values.exploring
    propensity = np.ones(len(order))
    if not len(order) or not given.probability:
        return Arranged(order, propensity, 0, np.empty(0, np.int64), False)
    rng = np.random.default_rng(seed)
    free = np.ones(count, dtype=bool)
    free[order[:-1]] = False
    others = np.flatnonzero(free)
    sampled = np.sort(rng.choice(others, min(given.candidates, len(others)), replace=False))
    explored = bool(rng.random() < given.probability)
    drawn = int(rng.choice(sampled))
    final = order.copy()
    if explored:
        final[-1] = drawn
    share = given.probability / len(sampled)
    propensity[-1] = (1 - given.probability) * (final[-1] == order[-1]) + share * bool((sampled == final[-1]).any())
    return Arranged(final, propensity, len(order), sampled, explored)
