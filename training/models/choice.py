"""The simplest model within one standard error of the best wins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.calibrate import affine
from training.models.lightgbm import Trees
from training.models.logistic import Logistic, log_loss

Candidate = Trees | Logistic


@dataclass(frozen=True)
class Choice:
    """The candidate that won, its calibration, and why it won.

    ``loss`` is the mean log loss of each candidate on the calibration part; ``worse`` is how much
    worse the simpler one is, ``error`` the standard error of that difference over patients.
    """

    model: Candidate
    calibration: tuple[float, float]
    loss: dict[str, float]
    worse: float
    error: float

    @property
    def text(self) -> str:
        rule = "within" if self.worse <= self.error else "more than"
        losses = ", ".join(f"{name} {value:.5f}" for name, value in self.loss.items())
        return f"{self.model.kind} chosen: log loss {losses}; logistic is {rule} one standard error ({self.error:.5f}) behind"


def choose(simple: Logistic, rich: Trees, x: np.ndarray, y: np.ndarray, patient_id: np.ndarray) -> Choice:
    """Calibrate both on held-out rows and choose by their log loss there.

    Parameters
    ----------
    x, y, patient_id
        The calibration part: (n, k), (n,), (n,).
    """
    calibrated, losses = {}, {}
    for name, model in (("logistic", simple), ("lightgbm", rich)):
        margin = model.margin(x)
        a, b = affine(margin, y)
        calibrated[name] = (a, b)
        losses[name] = log_loss(y, a * margin + b)
    difference = losses["logistic"] - losses["lightgbm"]
    _, row = np.unique(patient_id, return_inverse=True)
    by_patient = np.bincount(row, weights=difference - difference.mean())
    error = float(np.sqrt((by_patient**2).sum()) / len(y))
    worse = float(difference.mean())
    winner: Candidate = simple if worse <= error else rich
    kept = calibrated["logistic" if winner is simple else "lightgbm"]
    return Choice(winner, kept, {name: float(loss.mean()) for name, loss in losses.items()}, worse, error)
