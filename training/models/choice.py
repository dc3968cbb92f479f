"""The simplest model within one standard error of the best wins, judged on patients it never saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.errors import InputError
from training.calibrate import affine
from training.models.lightgbm import Trees
from training.models.logistic import Logistic, log_loss
from training.split import draw

Candidate = Trees | Logistic
Fit = Callable[..., Candidate]
"""(x, y, patient_id), and the weights where there are any, to a model."""


@dataclass(frozen=True)
class Choice:
    """The candidate that won, its calibration, and why it won.

    Parameters
    ----------
    model
        The winner, fitted to all rows of the train part.
    calibration
        (A, B), fitted to out-of-fold margins: of patients that the fold's model never saw.
    probability
        (n,) calibrated out-of-fold probabilities of the train part.
    loss
        Mean out-of-fold log loss of each candidate.
    worse, error
        How much worse the simpler one is, and the standard error of that over patients.
    """

    model: Candidate
    calibration: tuple[float, float]
    probability: np.ndarray
    loss: dict[str, float]
    worse: float
    error: float

    @property
    def text(self) -> str:
        rule = "within" if self.worse <= self.error else "more than"
        losses = ", ".join(f"{name} {value:.5f}" for name, value in self.loss.items())
        return f"{self.model.kind}: log loss {losses}; logistic is {rule} one standard error ({self.error:.5f}) behind"


def out_of_fold(
    fit: Fit,
    x: np.ndarray,
    y: np.ndarray,
    patient_id: np.ndarray,
    folds: int,
    seed: int,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Return (n,) margins, each by a model fitted without its patient's fold."""
    fold = np.minimum((draw(patient_id, f"folds-{seed}") * folds).astype(int), folds - 1)
    margin = np.empty(len(y))
    for held in range(folds):
        out = fold == held
        if out.any():
            weighed = () if weight is None else (weight[~out],)
            margin[out] = fit(x[~out], y[~out], patient_id[~out], *weighed).margin(x[out])
    return margin


def choose(
    simple: Fit,
    rich: Fit,
    x: np.ndarray,
    y: np.ndarray,
    patient_id: np.ndarray,
    folds: int,
    seed: int,
    weight: np.ndarray | None = None,
) -> Choice:
    """Compare two candidates out of fold, calibrate the winner there, and fit it to all rows.

    ``weight`` is (n,), ones by default: the same in fitting, comparing and calibrating.

    Raises
    ------
    InputError
        The winner's margin does not rise with the outcome.
    """
    margins = {
        name: out_of_fold(fit, x, y, patient_id, folds, seed, weight)
        for name, fit in (("logistic", simple), ("lightgbm", rich))
    }
    calibrations = {name: _calibrated(margin, y, weight) for name, margin in margins.items()}
    share = np.ones(len(y)) / len(y) if weight is None else weight / weight.sum()
    losses = {name: log_loss(y, a * margins[name] + b) for name, (a, b) in calibrations.items()}
    difference = losses["logistic"] - losses["lightgbm"]
    worse = float(share @ difference)
    _, row = np.unique(patient_id, return_inverse=True)
    error = float(np.sqrt((np.bincount(row, weights=share * (difference - worse)) ** 2).sum()))
    winner = "logistic" if worse <= error else "lightgbm"
    a, b = affine(margins[winner], y, weight)
    model = (simple if winner == "logistic" else rich)(x, y, patient_id, *(() if weight is None else (weight,)))
    probability = 1 / (1 + np.exp(-(a * margins[winner] + b)))
    return Choice(model, (a, b), probability, {n: float(share @ loss) for n, loss in losses.items()}, worse, error)


def _calibrated(margin: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> tuple[float, float]:
    """Return (A, B); of a candidate that predicts nothing, those of the overall risk."""
    try:
        return affine(margin, y, weight)
    except InputError:
        share = float(np.average(y, weights=weight))
        return 0.0, float(np.log(share / (1 - share)))
