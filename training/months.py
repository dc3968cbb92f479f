"""Do the labels of one month disagree with the others? A gate against labels that were flipped or mis-recorded.

Per month two score tests of the calibrated risk, summed by patient: is the event rate off (the
constant), and does the risk tell less than it should (the slope)? Both are scaled by how much months
differ anyway (the median absolute deviation), so that seasons do not alarm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import chi2

from training.measures import log_odds

FAMILY = 0.01
"""Chance that any of the months of clean data alarms."""
_NORMAL = 1.4826
_LEAST_MONTHS = 6
"""Months from which their spread is estimated."""


def label_shift(
    y: np.ndarray, probability: np.ndarray, patient_id: np.ndarray, month: np.ndarray, weight: np.ndarray
) -> list[dict[str, Any]]:
    """Return every month with its test and whether it alarms.

    Parameters
    ----------
    y, probability, patient_id, weight
        (n,) outcome, a probability by a model that did not see the patient, patient, weight.
    month
        (n,) label of the month of each row.
    """
    names = np.unique(month)
    margin = log_odds(probability)
    z = np.array([_scores(y, probability, margin, patient_id, weight, month == name) for name in names])
    spread = np.ones(2)
    if len(names) >= _LEAST_MONTHS:
        spread = np.maximum(1.0, _NORMAL * np.median(np.abs(z - np.median(z, axis=0)), axis=0))
    scaled = z / spread
    p = chi2.sf((scaled**2).sum(axis=1), 2)
    return [
        {
            "month": str(name),
            "rate": float(np.average(y[month == name], weights=weight[month == name])),
            "expected": float(np.average(probability[month == name], weights=weight[month == name])),
            "p": float(value),
            "alarm": bool(value < FAMILY / len(names)),
        }
        for name, value in zip(names, p)
    ]


def _scores(
    y: np.ndarray, p: np.ndarray, margin: np.ndarray, patient: np.ndarray, weight: np.ndarray, rows: np.ndarray
) -> tuple[float, float]:
    """Return the two score statistics of a month: uncorrelated, each of variance 1 where labels follow the risk."""
    residual = weight[rows] * (y[rows] - p[rows])
    variance = weight[rows] * p[rows] * (1 - p[rows])
    centred = margin[rows] - np.average(margin[rows], weights=np.maximum(variance, 1e-12))
    _, who = np.unique(patient[rows], return_inverse=True)
    found = []
    for each in (residual, residual * centred):
        total = np.bincount(who, weights=each)
        found.append(float(total.sum() / np.sqrt(max((total**2).sum(), 1e-12))))
    return found[0], found[1]
