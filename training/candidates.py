"""The candidates of a task, the simplest first: published scores, logistic regression, boosted trees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.models import lightgbm, logistic
from training.models.choice import Candidate, Fit
from training.models.points import PointScore
from training.models.published import over_catalogue
from training.models.values import ModelValues
from training.points import Points
from training.task import Inputs

LEAST_KNOWN = 0.05
"""Share of the rows in which every line of a published score has to be known for it to be a candidate."""


def candidates(inputs: Inputs, names: tuple[str, ...], values: ModelValues, x: np.ndarray) -> dict[str, Fit]:
    """Return how each candidate is fitted to (x, y, patient_id, weight), by name, in order of simplicity.

    Parameters
    ----------
    names
        Columns of ``x``; of the task's core, crosses and scores those that stand there are taken.
    x
        (n, k) rows of the train part: a published score is a candidate where they hold its values.
    """
    return scored(over_catalogue(inputs.scores), names, x) | {
        "logistic": linear(inputs, names, values),
        "lightgbm": trees(inputs, names, values),
    }


def scored(scores: Sequence[PointScore], names: tuple[str, ...], x: np.ndarray) -> dict[str, Fit]:
    """Return the published scores, by name, of which every line is known in a twentieth of the rows at least."""

    def points(score: PointScore) -> Fit:
        def fit(x: np.ndarray, y: np.ndarray, patient: np.ndarray, weight: np.ndarray | None = None) -> Candidate:
            return Points.fitted(score, x, names)

        return fit

    return {score.name: points(score) for score in scores if _known(score, names, x) >= LEAST_KNOWN}


def linear(inputs: Inputs, names: tuple[str, ...], values: ModelValues) -> Fit:
    """Return the logistic candidate."""
    core, pairs = inputs.there(names)
    values = values.splining(inputs.splined)

    def fit(x: np.ndarray, y: np.ndarray, patient: np.ndarray, weight: np.ndarray | None = None) -> Candidate:
        return logistic.fit(x, y, patient, names, core, values, pairs, weight)

    return fit


def parameters(inputs: Inputs, names: tuple[str, ...], values: ModelValues, x: np.ndarray) -> int:
    """Return how many coefficients the logistic candidate takes on (n, k) rows, for the sample-size criteria."""
    core, pairs = inputs.there(names)
    values = values.splining(inputs.splined)
    chosen = logistic.terms(x, names, core, values), logistic.crossed(x, names, pairs, values)
    return max(1, logistic.parameters((*chosen[0], *chosen[1])))


def trees(inputs: Inputs, names: tuple[str, ...], values: ModelValues) -> Fit:
    """Return the boosted candidate."""

    def fit(x: np.ndarray, y: np.ndarray, patient: np.ndarray, weight: np.ndarray | None = None) -> Candidate:
        return lightgbm.fit(x, y, patient, names, inputs.monotone, values, weight)

    return fit


def _known(score: PointScore, names: tuple[str, ...], x: np.ndarray) -> float:
    """Return the least share of rows in which a line of the score is known; 0 where a column is not there."""
    if not set(score.needs) <= set(names) or not len(x):
        return 0.0
    parts = score.parts({name: x[:, names.index(name)] for name in score.needs})
    return min(float((~np.isnan(points)).mean()) for points in parts.values())
