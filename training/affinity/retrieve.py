"""Candidates: what several retrievers put forward for one person, out of what may be shown."""

from __future__ import annotations

import numpy as np

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
        brought = np.bincount(np.maximum(stage.origin[person.history], 0), minlength=int(stage.origin.max()) + 1)
        mine = np.where(stage.origin >= 0, brought[stage.origin], 0)
        chosen[_leading(newest, allowed & (mine > 0), quota.origin)] = True
    weekly = popular[-1]
    if stage.catalogue.topic_names and sight.held.any():
        about = np.zeros(len(allowed), dtype=bool)
        about[Gathered.of(stage.catalogue.by_topic, np.flatnonzero(sight.held)).column] = True
        chosen[_leading(weekly, allowed & about, quota.clinical)] = True
    if sight.segments:
        chosen[_best(stage.segments.items[0][sight.segments].sum(axis=0), allowed, quota.segment)] = True
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


def _best(score: np.ndarray, allowed: np.ndarray, count: int) -> np.ndarray:
    """Return the so many allowed places that score highest above 0."""
    found = np.flatnonzero((score > 0) & allowed)
    if len(found) <= count:
        return found
    return found[np.argpartition(-score[found], count)[:count]]
