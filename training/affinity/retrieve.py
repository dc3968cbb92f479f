"""Candidates: what several retrievers put forward for one person, out of what may be shown."""

from __future__ import annotations

import heapq

import numpy as np
from numba import njit, types

from training.affinity.columns import Sight
from training.affinity.gathered import Gathered
from training.affinity.values import AffinityValues


def retrieve(sight: Sight, allowed: np.ndarray, values: AffinityValues) -> np.ndarray:
    """Return the places of the candidates, ascending: at most the sum of the quotas, filled up by recency.

    Parameters
    ----------
    allowed
        (items,) True where safety lets the person see the item, it is there, and it is not yet read.
    """
    stage, person, quota = sight.stage, sight.person, values.quotas
    chosen = np.zeros(len(allowed), dtype=bool)
    *popular, newest = stage.orders
    for order in popular:
        chosen[_leading(order, allowed, quota.popular)] = True
    chosen[_leading(newest, allowed, quota.newest)] = True
    if len(person.history):
        for score in (sight.ease if stage.ease.nnz else sight.neighbours, *sight.followed):
            chosen[_best(score, allowed, quota.peers)] = True
        if stage.catalogue.words.nnz:
            chosen[_best(sight.near, allowed, quota.content)] = True
        mine = np.unique(stage.origin[person.history])
        brought = Gathered(stage.by_origin, mine[mine >= 0]).marked()
        chosen[_leading(newest, allowed & brought, quota.origin)] = True
    weekly = popular[-1]
    if stage.catalogue.topic_names and sight.held.any():
        about = Gathered(stage.catalogue.by_topic, np.flatnonzero(sight.held)).marked()
        chosen[_leading(weekly, allowed & about, quota.clinical)] = True
    if sight.segments:
        alike = stage.segments.items[0, sight.segments].sum(axis=0, dtype=np.float64)
        chosen[_best(alike, allowed, quota.segment)] = True
    missing = quota.least - int(chosen.sum())
    if missing > 0:
        chosen[_leading(newest, allowed & ~chosen, missing)] = True
    return np.flatnonzero(chosen)


def _leading(order: np.ndarray, allowed: np.ndarray, count: int) -> np.ndarray:
    """Return the first so many allowed places of an order, without walking all of it where that can be helped."""
    reach = 4 * count
    while True:
        head = order[:reach]
        found = head[allowed[head]]
        if len(found) >= count or reach >= len(order):
            return found[:count]
        reach *= 8


@njit(types.int64[::1](types.float64[::1], types.boolean[::1], types.int64), cache=True, nogil=True)
def _best(score, allowed, count):  # type: ignore[no-untyped-def]
    """Return the so many allowed places that score highest above 0; of equals the first."""
    best, least = [(0.0, 0)][:0], 0.0 if count else np.inf
    for place in range(len(score)):
        if score[place] > least and allowed[place]:
            if len(best) < count:
                heapq.heappush(best, (score[place], -place))
            else:
                heapq.heapreplace(best, (score[place], -place))
            if len(best) == count:
                least = best[0][0]
    return np.array([-place for _, place in best], np.int64)
