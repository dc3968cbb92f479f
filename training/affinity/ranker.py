"""The ranker (lambdarank) and the calibrated head beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError
from training.affinity.blend import TREES, Blend, Day, elect
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
    pretended
        Someone with a history who was taken for a stranger.
    begin, end
        The window, UTC microseconds.
    """

    user: str
    rows: np.ndarray
    opened: np.ndarray
    weight: np.ndarray
    pretended: bool = False
    begin: int = 0
    end: int = 0


@dataclass(frozen=True)
class Ranker:
    """Two boosters over the same columns: what orders, and what says how likely.

    Parameters
    ----------
    blend
        What stands beside the margin of ``order``.
    calibration
        (A, B) of the head's margin.
    probability
        Calibrated probabilities of the held-out rows, for the bands.
    """

    order: Booster
    head: Booster
    blend: Blend
    half_lives: tuple[float, ...]
    calibration: tuple[float, float]
    probability: np.ndarray
    user_days: int
    opened: int

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Return what orders the rows of one person."""
        return self.blend.score(_margin(self.order, rows), rows, self.half_lives)

    def likely(self, rows: np.ndarray) -> np.ndarray:
        """Return the calibrated probability of each row."""
        a, b = self.calibration
        return sigmoid(a * np.asarray(self.head.predict(rows, raw_score=True, num_threads=1)) + b)


def fit(samples: Sequence[Sample], latest: Sequence[Sample], values: AffinityValues) -> Ranker:
    """Fit both to the same samples, and elect the blend on the latest, by trees that have not seen them.

    Parameters
    ----------
    samples
        Oldest first.
    latest
        The last of them with every candidate.

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
    user = np.repeat([each.user for each in samples], [len(each.opened) for each in samples])
    order = _order(samples, values)
    held = draw(user, f"head-{values.seed}") < HELD
    if not (y[held].any() and y[~held].any()):
        held = np.arange(len(y)) % 5 == 0
    every = list(names(values.half_lives_h))
    data = lightgbm.Dataset(x[~held], y[~held], weight=weight[~held], feature_name=every, params={"verbosity": -1})
    head = lightgbm.train({**_settings(values), "objective": "binary"}, data, given.rounds // 2)
    margin = _margin(head, x[held])
    times = np.maximum(np.round(weight[held]).astype(int), 1)
    a, b = affine(np.repeat(margin, times), np.repeat(y[held], times))
    blend = _elected(samples, latest, values)
    probability = sigmoid(a * margin + b)
    return Ranker(order, head, blend, values.half_lives_h, (a, b), probability, len(samples), opened)


def _elected(samples: Sequence[Sample], latest: Sequence[Sample], values: AffinityValues) -> Blend:
    """Return the blend that is best on the latest samples, at most a third, with trees of those that ended before.

    Folds of pairs stand at one instant: there the earlier ones are those before.
    """
    count = min(len(latest), len(samples) // 3)
    if not count:
        return TREES
    held, earlier = list(latest)[-count:], list(samples)[:-count]
    trial = _order([each for each in earlier if each.end <= held[0].begin] or earlier, values)
    days = [Day(each.user, each.rows, each.opened, _margin(trial, each.rows), each.pretended) for each in held]
    return elect(days, values.half_lives_h)


def _order(samples: Sequence[Sample], values: AffinityValues) -> Booster:
    import lightgbm

    given, every = values.ranker, list(names(values.half_lives_h))
    x = np.concatenate([each.rows for each in samples])
    y = np.concatenate([each.opened for each in samples]).astype(float)
    size = np.array([len(each.opened) for each in samples])
    rank = {"objective": "lambdarank", "lambdarank_truncation_level": given.truncation, "bagging_by_query": True}
    data = lightgbm.Dataset(x, y, group=size, feature_name=every, params={"verbosity": -1})
    return lightgbm.train({**_settings(values), **rank}, data, given.rounds)


def _margin(booster: Booster, rows: np.ndarray) -> np.ndarray:
    return np.asarray(booster.predict(rows, raw_score=True, num_threads=1))


def _settings(values: AffinityValues) -> dict[str, object]:
    given = values.ranker
    return {
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
