"""The ranker (lambdarank) and the calibrated head beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError
from training.affinity.columns import names
from training.affinity.values import AffinityValues
from training.calibrate import affine, sigmoid
from training.sample_size import MIN_EVENTS
from training.split import draw

if TYPE_CHECKING:
    from lightgbm import Booster

HELD = 0.2
"""Share of the users that the calibration is fitted to."""


@dataclass(frozen=True)
class Sample:
    """The rows of one user-day that training reads.

    Parameters
    ----------
    weight
        (n,) of each row in the head: a candidate that was drawn stands for those that were not.
    """

    user: str
    rows: np.ndarray
    opened: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Ranker:
    """Two boosters over the same columns: what orders, and what says how likely.

    Parameters
    ----------
    calibration
        (A, B) of the head's margin.
    probability
        Calibrated probabilities of the held-out rows, for the bands.
    """

    order: Booster
    head: Booster
    calibration: tuple[float, float]
    probability: np.ndarray
    user_days: int
    opened: int

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Return what orders the rows of one person."""
        return np.asarray(self.order.predict(rows, raw_score=True, num_threads=1))

    def likely(self, rows: np.ndarray) -> np.ndarray:
        """Return the calibrated probability of each row."""
        a, b = self.calibration
        return sigmoid(a * np.asarray(self.head.predict(rows, raw_score=True, num_threads=1)) + b)


def fit(samples: Sequence[Sample], values: AffinityValues) -> Ranker:
    """Fit both to the same samples.

    Raises
    ------
    InputError
        Too few items were opened to learn from; the number missing is named.
    """
    import lightgbm

    given = values.ranker
    opened = sum(int(each.opened.sum()) for each in samples)
    if opened < MIN_EVENTS:
        raise InputError(
            f"{opened} items were first opened in the windows to learn from: missing {MIN_EVENTS - opened} more",
            where="content affinity",
            remedy="wait for more reading, or begin later",
        )
    x = np.concatenate([each.rows for each in samples])
    y = np.concatenate([each.opened for each in samples]).astype(float)
    weight = np.concatenate([each.weight for each in samples])
    size = np.array([len(each.opened) for each in samples])
    user = np.repeat([each.user for each in samples], size)
    every = list(names(values.half_lives_h))
    settings = {
        "num_leaves": given.num_leaves,
        "learning_rate": given.learning_rate,
        "min_data_in_leaf": given.min_data_in_leaf,
        "lambda_l2": given.lambda_l2,
        "feature_fraction": given.feature_fraction,
        "bagging_fraction": given.bagging_fraction,
        "bagging_freq": 1,
        "verbosity": -1,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": values.seed,
    }
    rank = {"objective": "lambdarank", "lambdarank_truncation_level": given.truncation, "bagging_by_query": True}
    data = lightgbm.Dataset(x, y, group=size, feature_name=every, params={"verbosity": -1}, free_raw_data=False)
    order = lightgbm.train({**settings, **rank}, data, given.rounds)
    held = draw(user, f"head-{values.seed}") < HELD
    if not (y[held].any() and y[~held].any()):
        held = np.arange(len(y)) % 5 == 0
    data = lightgbm.Dataset(x[~held], y[~held], weight=weight[~held], feature_name=every, params={"verbosity": -1})
    head = lightgbm.train({**settings, "objective": "binary", "num_leaves": 15}, data, given.rounds // 2)
    margin = np.asarray(head.predict(x[held], raw_score=True, num_threads=1))
    times = np.maximum(np.round(weight[held]).astype(int), 1)
    a, b = affine(np.repeat(margin, times), np.repeat(y[held], times))
    return Ranker(order, head, (a, b), sigmoid(a * margin + b), len(samples), opened)
