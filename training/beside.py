"""Baselines that are more than one feature: published scores, and BG/NBD for churn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from features.errors import InputError
from training.models import bgnbd
from training.models.published import over_catalogue
from training.points import Points
from training.task import Task

RHYTHM = ("finished_contacts_730d", "visit_days_since", "tenure_days")
_WATCHED = 730.0
_FITTED = 20_000


def needs(task: Task) -> tuple[str, ...]:
    """Return the features of the catalogue that a task's baselines read, each once."""
    found = [name for score in over_catalogue(task.inputs.scores) for name in score.needs]
    return tuple(dict.fromkeys((*found, *(RHYTHM if task.inputs.rhythm else ()))))


def beside(task: Task, columns: Mapping[str, np.ndarray], train: np.ndarray) -> dict[str, np.ndarray]:
    """Return (n,) scores by name, higher meaning more risk; one whose values this lake lacks is left out.

    Parameters
    ----------
    columns
        (n,) values of every feature of :func:`needs`.
    train
        (n,) rows that may be fitted to.
    """
    found = {}
    for score in over_catalogue(task.inputs.scores):
        x = np.stack([columns[name] for name in score.needs], axis=1)
        try:
            found[score.name] = Points.fitted(score, x[train], score.needs).margin(x)
        except InputError:
            continue
    if task.inputs.rhythm:
        found["bg_nbd"] = _silence(columns, train, task.horizon_days)
    return found


def _silence(columns: Mapping[str, np.ndarray], train: np.ndarray, days: int) -> np.ndarray:
    """Return BG/NBD's probability of no contact; two years are watched, or less since registration."""
    contacts, since, tenure = (columns[name] for name in RHYTHM)
    age = np.clip(np.where(np.isnan(tenure), _WATCHED, tenure), 1.0, _WATCHED)
    repeats = np.maximum(np.nan_to_num(contacts) - 1, 0.0)
    recency = np.where(repeats > 0, np.clip(age - np.nan_to_num(since, nan=_WATCHED), 0.0, age), 0.0)
    some = np.flatnonzero(train)[:: max(1, int(train.sum()) // _FITTED)]
    model = bgnbd.fit(repeats[some], np.round(recency[some]), np.round(age[some]))
    return np.asarray(1 - model.returns(repeats, recency, age, float(days)))
