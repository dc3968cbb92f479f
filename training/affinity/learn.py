"""The calibrated head that orders items: fitted to rolling days, judged on later days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import InputError
from features.instants import DAY
from training import measures
from training.affinity.ranking import NAMES, WEEK_H, Topics
from training.affinity.readers import Readership
from training.affinity.rolling import UserDay, first_cut, ndcg, recall, user_days
from training.affinity.similarity import Similarity, similarity
from training.affinity.touches import popularity
from training.affinity.values import AffinityValues
from training.calibrate import affine, sigmoid
from training.evaluate import Bootstrap, EvaluationValues, Figure
from training.measures import Measure
from training.models import logistic
from training.models.logistic import Logistic
from training.models.values import ModelValues
from training.sample_size import MIN_EVENTS
from training.split import draw

SPLINED = 3
ROWS = 1_500_000
HELD = 0.25


@dataclass(frozen=True)
class Learned:
    """The head and what serving needs beside it.

    Parameters
    ----------
    head, calibration
        Margins, and (A, B).
    half_life_h
        Of the recent popularity, chosen on the training days.
    trained_at
        The instant of ``recent``, ``week`` and ``near``, UTC microseconds.
    train
        (n, columns) rows that the head was fitted to.
    figures
        Of the test days.
    notes
        What was dropped and counted.
    """

    head: Logistic
    calibration: tuple[float, float]
    half_life_h: float
    trained_at: int
    recent: np.ndarray
    week: np.ndarray
    near: Similarity
    train: np.ndarray
    probability: np.ndarray
    figures: dict[str, Figure]
    user_days: int
    opened: int
    notes: tuple[str, ...]


def learn(
    given: Readership, values: AffinityValues, model_values: ModelValues, evaluation: EvaluationValues
) -> Learned:
    """Fit on the days before the test days, judge on the test days, keep the state at the end.

    Raises
    ------
    InputError
        Too few items were opened on the training or the test days.
    """
    touches = given.touches
    topics = Topics.of([item.topics for item in given.items], values.clinical)
    start = first_cut(touches, values.test_days)
    begin = start - values.train_days * DAY
    active = sum(len(found) for _, found in touches.user_days(begin, values.train_days))
    share = min(1.0, min(values.user_days, ROWS / max(len(given.items), 1)) / max(active, 1))

    def walk(first: int, days: int, half_life: float, share: float = 1.0) -> list[UserDay]:
        found = user_days(touches, topics, given.conditions, given.allowed, first, days, half_life, values, True, share)
        return list(found)

    trying = walk(begin, values.train_days, values.half_lives_h[0], share)
    _enough(trying, "training")
    half_life = max(values.half_lives_h, key=lambda each: _mean_ndcg(trying, f"popular_{each:g}h"))
    training = walk(begin, values.train_days, half_life, share)
    x, y, user = _stacked(training)
    held = draw(user, f"head-{values.seed}") < HELD
    settings = model_values.model_copy(
        update={
            "clip": (0.0, 99.9),
            "logistic": model_values.logistic.model_copy(update={"splined": SPLINED, "penalties": (10.0,)}),
        }
    )
    head = logistic.fit(x[~held], y[~held], user[~held], NAMES, NAMES, settings)
    calibration = affine(head.margin(x[held]), y[held])
    testing = walk(start, values.test_days, half_life)
    _enough(testing, "test")
    now = int(touches.time[-1]) + 1
    a, b = calibration
    return Learned(
        head,
        calibration,
        half_life,
        now,
        popularity(touches, now, half_life),
        popularity(touches, now, WEEK_H),
        similarity(touches, now, values.neighbours, values.shrinkage),
        x[~held],
        sigmoid(a * head.margin(x[held]) + b),
        figures(testing, head, calibration, evaluation),
        len(training) + len(testing),
        int(y.sum()) + sum(int(each.opened.sum()) for each in testing),
        (
            f"recent popularity halves in {half_life:g} h, chosen on {len(training):,} user-days of training",
            f"{len(testing):,} user-days of test; days on which nothing was opened for the first time are left out",
        ),
    )


def figures(
    testing: list[UserDay], head: Logistic, calibration: tuple[float, float], values: EvaluationValues
) -> dict[str, Figure]:
    """Return NDCG@10 and recall@20 of the head and of the strongest baseline, the paired gain, the calibration."""
    user = np.array([str(day.user) for day in testing])
    draws = Bootstrap(user, values.replicates, values.seed)
    ours = [head.margin(day.rows) for day in testing]
    lists = {name: [day.scores[name] for day in testing] for name in testing[0].scores}
    gained = {name: np.array([ndcg(d.opened, s) for d, s in zip(testing, each)]) for name, each in lists.items()}
    strongest = max(gained, key=lambda name: float(gained[name].mean()))
    mine = np.array([ndcg(day.opened, score) for day, score in zip(testing, ours)])
    found = {
        "ndcg10": draws.figure(_mean(mine)),
        "recall20": draws.figure(_mean(np.array([recall(d.opened, s) for d, s in zip(testing, ours)]))),
        f"ndcg10_{strongest}": draws.figure(_mean(gained[strongest])),
        "ndcg10_newest": draws.figure(_mean(gained["newest"])),
        "gain_strongest": draws.figure(_mean(mine - gained[strongest])),
    }
    x, y, who = _stacked(testing)
    some = draw(who, "calibration") < min(1.0, 200_000 / len(y))
    a, b = calibration
    probability = sigmoid(a * head.margin(x[some]) + b)
    rows = Bootstrap(who[some], min(values.replicates, 100), values.seed)
    found["slope"] = rows.figure(measures.slope(y[some], probability))
    found["oe"] = rows.figure(measures.observed_expected(y[some], probability))
    return found


def _mean(each: np.ndarray) -> Measure:
    return lambda weights: weights @ each / weights.sum(axis=1)


def _mean_ndcg(days: list[UserDay], name: str) -> float:
    return float(np.mean([ndcg(day.opened, day.scores[name]) for day in days]))


def _stacked(days: list[UserDay]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = np.concatenate([day.rows for day in days])
    y = np.concatenate([day.opened for day in days]).astype(float)
    return x, y, np.repeat([str(day.user) for day in days], [len(day.opened) for day in days])


def _enough(days: list[UserDay], part: str) -> None:
    opened = sum(int(day.opened.sum()) for day in days)
    if opened < MIN_EVENTS:
        raise InputError(
            f"{opened} items were first opened on the {part} days: missing {MIN_EVENTS - opened} more",
            where="task content_affinity",
            remedy="wait for more reading, or lengthen affinity.train_days",
        )
