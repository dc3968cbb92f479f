"""Alarms of a leak: a feature that alone tells the outcome, and a model that learns from shuffled labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from training import measures
from training.evaluate import Bootstrap, EvaluationValues
from training.labelled import Labelled
from training.refit import Refit

ALONE = 0.95
"""AUROC of one feature from which it is named."""
AFTER, AFTER_EVENTS = 0.95, 20
"""Event rate among the patients who have a value, from which it was written after the outcome; and of how many."""
CHANCE = 0.03
"""By how much a model of shuffled labels may beat .5 beside its interval."""


@dataclass(frozen=True)
class Leak:
    """A feature and what is suspicious about it."""

    feature: str
    auroc: float
    text: str


def leaks(names: tuple[str, ...], x: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> tuple[Leak, ...]:
    """Return the features that alone exceed .95 AUROC, or that are populated after the outcome.

    A feature is populated after the outcome where nearly everybody who has a value (not null, not 0)
    has the event, and those who have none mostly do not.

    Parameters
    ----------
    names, x
        Features and their (n, k) values, NaN for null.
    y
        (n,) outcome.
    weight
        (n,) weight of each row.
    """
    weights = (np.ones(len(y)) if weight is None else weight)[None, :]
    overall = float((weights[0] @ y) / weights.sum())
    found = []
    for place, name in enumerate(names):
        column = x[:, place]
        known = ~np.isnan(column)
        if not known.any():
            continue
        lowest = np.where(known, column, column[known].min() - 1)
        highest = np.where(known, column, column[known].max() + 1)
        best = max(max(value, 1 - value) for value in (_auroc(y, lowest, weights), _auroc(y, highest, weights)))
        there = known & (column != 0)
        if best > ALONE:
            found.append(Leak(name, best, f"alone it reaches AUROC {best:.3f}, more than {ALONE}"))
        elif (y[there] == 1).sum() >= AFTER_EVENTS and overall < 0.5:
            rate = float((weights[0] * y)[there].sum() / weights[0][there].sum())
            if rate >= AFTER:
                text = (
                    f"{rate:.1%} of the rows that have a value have the event ({overall:.1%} of all): written after it"
                )
                found.append(Leak(name, best, text))
    return tuple(found)


def _auroc(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> float:
    return float(measures.auroc(y, score)(weights)[0])


def shuffled(data: Labelled, refit: Refit, values: EvaluationValues) -> dict[str, Any]:
    """Fit to labels dealt to other patients, and return the AUROC for those labels on the test part.

    A patient's labels stay together, so that a patient (or a copy of one) in both parts would be
    remembered. An AUROC above .5 beyond its interval, and by more than .03, is an alarm.
    """
    y = dealt(data.y, data.patient_id, values.seed)
    train, test = data.parts.rows("train"), data.parts.rows("test")
    if len(np.unique(y[train])) < 2 or len(np.unique(y[test])) < 2:
        return {"alarm": False, "auroc": None, "text": "one class only: not asked"}
    model = refit.quick()(data.x[train], y[train], data.patient_id[train], data.weight[train])
    draw = Bootstrap(data.patient_id[test], values.replicates, values.seed, data.weight[test])
    figure = draw.figure(measures.auroc(y[test], model.margin(data.x[test])))
    alarm = figure.lo > 0.5 and figure.value > 0.5 + CHANCE
    shown = f"AUROC {figure.value:.3f} [{figure.lo:.3f}, {figure.hi:.3f}]"
    text = f"a model of shuffled labels reaches {shown}, .5 is wanted"
    return {"alarm": alarm, "auroc": [figure.value, figure.lo, figure.hi], "text": text}


def dealt(y: np.ndarray, patient_id: np.ndarray, seed: int) -> np.ndarray:
    """Return labels dealt from patient to patient, each patient's rows in order and round where they are fewer."""
    names, row = np.unique(patient_id, return_inverse=True)
    order = np.argsort(row, kind="stable")
    count = np.bincount(row, minlength=len(names))
    begin = np.r_[0, np.cumsum(count)[:-1]]
    giver = np.random.default_rng(seed).permutation(len(names))[row]
    nth = np.empty(len(y), dtype=np.int64)
    nth[order] = np.arange(len(y)) - begin[row[order]]
    return np.asarray(y[order][begin[giver] + nth % count[giver]])
