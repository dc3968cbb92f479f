"""Rolling time: day after day, what was known before the cut ranks what was opened after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from features.instants import DAY
from training.affinity.ranking import WEEK_H, Pool, Topics
from training.affinity.similarity import Similarity, similarity
from training.affinity.touches import Touches, popularity
from training.affinity.values import AffinityValues

Conditions = Callable[[str, int], frozenset[str]]
Fit = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class UserDay:
    """One person on one day: what could be shown, what was opened, and the columns that rank it.

    ``scores`` holds baselines by name, each (n,).
    """

    user: int
    at: int
    candidates: np.ndarray
    opened: np.ndarray
    rows: np.ndarray
    scores: Mapping[str, np.ndarray]


def user_days(
    touches: Touches,
    topics: Topics,
    conditions: Conditions,
    fit: Fit,
    start: int,
    days: int,
    half_life_h: float,
    values: AffinityValues,
    baselines: bool = False,
    share: float = 1.0,
) -> Iterator[UserDay]:
    """Walk the days; a user-day without an item first opened that day is dropped.

    Parameters
    ----------
    conditions
        Codelists on record of a patient at an instant.
    fit
        (user, at) -> places of the items that safety lets this person see.
    start
        First cut, UTC microseconds.
    half_life_h
        Of the recent popularity.
    share
        Share of the user-days that is drawn (seeded), to bound the work.
    """
    rng = np.random.default_rng(values.seed)
    near: Similarity | None = None
    for number, (cut, relevant) in enumerate(touches.user_days(start, days)):
        if near is None or number % values.refit_days == 0:
            near = similarity(touches, cut, values.neighbours, values.shrinkage)
        pool = Pool(cut, popularity(touches, cut, half_life_h), popularity(touches, cut, WEEK_H), touches.born, topics)
        scores = _baselines(touches, cut, values) if baselines else {}
        past = touches.before(cut)
        order = np.argsort(touches.user[past], kind="stable")
        owner = touches.user[past][order]
        for user, items in relevant.items():
            if share < 1 and rng.random() >= share:
                continue
            mine = slice(*np.searchsorted(owner, [user, user + 1]))
            history = np.unique(touches.item[past][order[mine]])
            allowed = fit(user, cut)
            candidates = np.setdiff1d(allowed[touches.born[allowed] < cut], history, assume_unique=True)
            opened = np.isin(candidates, items)
            if not opened.any():
                continue
            peers = near.scores(history, len(touches.items))
            held = topics.held(conditions(str(touches.users[user]), cut))
            rows = pool.rows(candidates, peers, topics.read(history), held)
            chosen = {name: score[candidates] for name, score in scores.items()}
            yield UserDay(user, cut, candidates, opened, rows, chosen)


def _baselines(touches: Touches, cut: int, values: AffinityValues) -> dict[str, np.ndarray]:
    found = {"newest": touches.born.astype(float)}
    for half_life in values.half_lives_h:
        found[f"popular_{half_life:g}h"] = popularity(touches, cut, half_life)
    return found


def ndcg(opened: np.ndarray, score: np.ndarray, k: int = 10) -> float:
    """Return NDCG@k of one list with binary relevance, ties in the order given."""
    order = np.argsort(-score, kind="stable")[:k]
    gain = 1 / np.log2(np.arange(2, k + 2))
    best = gain[: min(k, int(opened.sum()))].sum()
    return float((opened[order] * gain[: len(order)]).sum() / best) if best else 0.0


def recall(opened: np.ndarray, score: np.ndarray, k: int = 20) -> float:
    """Return the share of the opened items that stand among the first k."""
    order = np.argsort(-score, kind="stable")[:k]
    return float(opened[order].sum() / opened.sum())


def first_cut(touches: Touches, days: int) -> int:
    """Return the cut that leaves this many whole days before the last touch."""
    return int(touches.time[-1]) + 1 - days * DAY
