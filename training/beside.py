"""What a model has to beat: single features, published scores; for churn BG/NBD and a logistic regression of RFM."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.errors import InputError
from training.models import bgnbd, logistic
from training.models.published import over_catalogue
from training.models.values import ModelValues
from training.points import Points
from training.task import Task

RHYTHM = ("finished_contacts_730d", "visit_days_since", "tenure_days")
_WATCHED = 730.0
_FITTED = 20_000


def needs(task: Task) -> tuple[str, ...]:
    """Return the features of the catalogue that a task's baselines read, each once."""
    inputs = task.inputs
    found = [feature for feature, _ in inputs.baselines.values()]
    found += [name for score in over_catalogue(inputs.scores) for name in score.needs]
    return tuple(dict.fromkeys((*found, *(RHYTHM if inputs.rhythm else ()), *inputs.rfm)))


def beside(
    task: Task,
    columns: Mapping[str, np.ndarray],
    train: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray,
    patient_id: np.ndarray,
    values: ModelValues,
) -> dict[str, np.ndarray]:
    """Return (n,) scores by name, higher meaning more risk; one whose values this lake lacks is left out.

    Parameters
    ----------
    columns
        (n,) values of every feature of :func:`needs`.
    train
        (n,) rows that may be fitted to.
    y, weight, patient_id
        (n,) outcome, weight and patient of each row.
    values
        Settings of the logistic regression.
    """
    found = {
        name: columns[feature] if direction == "up" else -columns[feature]
        for name, (feature, direction) in task.inputs.baselines.items()
    }
    for score in over_catalogue(task.inputs.scores):
        x = np.stack([columns[name] for name in score.needs], axis=1)
        try:
            found[score.name] = Points.fitted(score, x[train], score.needs).margin(x)
        except InputError:
            continue
    if task.inputs.rhythm:
        found["bg_nbd"] = _silence(columns, train, task.horizon_days)
    if task.inputs.rfm and len(np.unique(y[train])) == 2:
        names = task.inputs.rfm
        x = np.stack([columns[name] for name in names], axis=1)
        model = logistic.fit(x[train], y[train], patient_id[train], names, names, values, (), weight[train])
        found["rfm"] = model.margin(x)
    return found


def _silence(columns: Mapping[str, np.ndarray], train: np.ndarray, days: int) -> np.ndarray:
    """Return BG/NBD's probability of no contact; two years are watched, or less since registration.

    Who registered inside them came a first time there, which starts the clock and is no repeat.
    """
    contacts, since, tenure = (columns[name] for name in RHYTHM)
    age = np.clip(np.where(np.isnan(tenure), _WATCHED, tenure), 1.0, _WATCHED)
    repeats = np.maximum(np.nan_to_num(contacts) - (tenure < _WATCHED), 0.0)
    recency = np.where(repeats > 0, np.clip(age - np.nan_to_num(since, nan=_WATCHED), 0.0, age), 0.0)
    some = np.flatnonzero(train)[:: max(1, int(train.sum()) // _FITTED)]
    model = bgnbd.fit(repeats[some], np.round(recency[some]), np.round(age[some]))
    return np.asarray(1 - model.returns(repeats, recency, age, float(days)))
