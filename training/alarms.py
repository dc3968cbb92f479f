"""Alarms of a leak: a feature that alone tells the outcome, and a model that learns from shuffled labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import beta, t

from training import measures
from training.refit import Refit
from training.rounds import Rounds

ALONE = 0.95
"""AUROC of one feature from which it is named."""
AFTER = {1: 10.0, 0: 20.0}
"""Outcome -> how many times as often a value stands there, at least, from which it was written after it.

A finding that speaks ten times for a disease settles it, and none of the clean catalogue reaches six. A value may
well rule out an event: of those who come for their medicine every month, few stay away, up to 17 times as few.
"""
LEAST = 10
"""Patients of an outcome who have a value, from which it is judged."""
CONFIDENCE = 0.95
CHANCE = 0.03
"""By how much models of shuffled labels may beat .5 beside their interval."""
DEALS = 10
"""How often labels are dealt."""


@dataclass(frozen=True)
class Leak:
    """A feature and what is suspicious about it."""

    feature: str
    auroc: float
    text: str


def leaks(
    names: tuple[str, ...],
    x: np.ndarray,
    y: np.ndarray,
    weight: np.ndarray | None = None,
    patient_id: np.ndarray | None = None,
) -> tuple[Leak, ...]:
    """Return the features that alone exceed .95 AUROC, or that are populated after the outcome.

    A feature is populated after the outcome where a value (not null, not 0) stands many times as often
    on rows of one outcome as on those of the other, by the lower end of an interval (:data:`AFTER`).

    Parameters
    ----------
    names, x
        Features and their (n, k) values, NaN for null.
    y
        (n,) outcome.
    weight
        (n,) weight of each row.
    patient_id
        (n,) whose row it is; intervals count patients, not rows. None where each row is another person's.
    """
    weight = np.ones(len(y)) if weight is None else weight
    sides = tuple(_Side.of(outcome, y, weight, patient_id) for outcome in AFTER)
    found = []
    for place, name in enumerate(names):
        column = x[:, place]
        known = ~np.isnan(column)
        if not known.any():
            continue
        lowest = np.where(known, column, column[known].min() - 1)
        highest = np.where(known, column, column[known].max() + 1)
        best = max(
            max(value, 1 - value) for value in (_auroc(y, lowest, weight[None]), _auroc(y, highest, weight[None]))
        )
        if best > ALONE:
            found.append(Leak(name, best, f"alone it reaches AUROC {best:.3f}, more than {ALONE}"))
        elif text := _after(sides, known & (column != 0)):
            found.append(Leak(name, best, text))
    return tuple(found)


@dataclass(frozen=True)
class _Side:
    """The rows of one outcome: their (n,) share each, and as how many patients they count (Kish 1965)."""

    outcome: int
    share: np.ndarray
    patients: float

    @classmethod
    def of(cls, outcome: int, y: np.ndarray, weight: np.ndarray, patient_id: np.ndarray | None) -> _Side:
        own = np.where(y == outcome, weight, 0.0)
        row = np.arange(len(y)) if patient_id is None else np.unique(patient_id, return_inverse=True)[1]
        each = np.bincount(row, weights=own)
        total = own.sum()
        if not total > 0:
            return cls(outcome, own, 0.0)
        return cls(outcome, own / total, float(total**2 / (each @ each)))


def _after(sides: tuple[_Side, ...], there: np.ndarray) -> str:
    """Return what is wrong with a value that stands ``there`` mostly on one side; empty where nothing is.

    The interval is Clopper and Pearson's, of the share of one outcome among those who have the value.
    """
    for one, other in (sides, sides[::-1]):
        rate, beside = float(one.share @ there), float(other.share @ there)
        have = rate * one.patients
        if have < LEAST or not other.patients:
            continue
        share = beta.ppf((1 - CONFIDENCE) / 2, have, beside * other.patients + 1)
        times = share / (1 - share) * other.patients / one.patients
        if times > AFTER[one.outcome]:
            with_, without = ("with", "without") if one.outcome else ("without", "with")
            return (
                f"a value stands on {rate:.1%} of the rows {with_} the event and on {beside:.1%} of those {without} "
                f"it, at least {times:.0f} times as often: written after it"
            )
    return ""


def _auroc(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> float:
    return float(measures.auroc(y, score)(weights)[0])


def shuffled(data: Rounds, refit: Refit, seed: int) -> dict[str, Any]:
    """Fit to labels dealt to other patients, and return the AUROC for those labels on the rows judged.

    A patient's labels stay together, so that a patient (or a copy of one) on both sides would be
    remembered. The mean of ten dealings above .5 beyond their interval (Student's), and by more than .03, is an
    alarm if forty say so too: a few dealings may agree with a feature by chance.
    """
    told = _dealings(data, refit.quick(), seed, DEALS)
    return _dealings(data, refit.quick(), seed, 4 * DEALS) if told["alarm"] else told


def _dealings(data: Rounds, refit: Refit, seed: int, deals: int) -> dict[str, Any]:
    found = []
    for number in range(deals):
        deal = replace(data, y=dealt(data.y, data.patient_id, seed + number))
        if all(len(np.unique(deal.y[rows])) == 2 for each in deal.parts for rows in each):
            found.append(float(deal.auroc(refit)(deal.weight[deal.tested][None])[0]))
    if len(found) < 2:
        return {"alarm": False, "auroc": None, "text": "one class only: not asked"}
    value, error = float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))
    reach = error * float(t.ppf((1 + CONFIDENCE) / 2, len(found) - 1))
    alarm = value - reach > 0.5 and value > 0.5 + CHANCE
    text = f"models of shuffled labels reach AUROC {value:.3f} [{value - reach:.3f}, {value + reach:.3f}], .5 is wanted"
    return {"alarm": alarm, "auroc": [value, value - reach, value + reach], "text": text}


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
