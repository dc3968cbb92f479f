"""The simplest model within one standard error of the best wins, judged on patients it never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from features.errors import InputError
from training.calibrate import affine
from training.models.lightgbm import Trees
from training.models.logistic import Logistic, log_loss
from training.one_thread import one_thread
from training.points import Points
from training.split import draw

Candidate = Trees | Logistic | Points
Fit = Callable[..., Candidate]
"""(x, y, patient_id), and the weights where there are any, to a model."""


@dataclass(frozen=True)
class Choice:
    """The candidate that won, its calibration, and why it won.

    Parameters
    ----------
    name
        The winner.
    model
        It, fitted to all rows of the train part.
    calibration
        (A, B), fitted to out-of-fold margins: of patients that the fold's model never saw.
    probability
        (n,) calibrated out-of-fold probabilities of the train part.
    loss
        Mean out-of-fold log loss of each candidate, the simplest first.
    behind
        How much worse each is than the best, and the standard error of that over patients.
    """

    name: str
    model: Candidate
    calibration: tuple[float, float]
    probability: np.ndarray
    loss: Mapping[str, float]
    behind: Mapping[str, tuple[float, float]]

    @property
    def text(self) -> str:
        losses = ", ".join(f"{name} {value:.5f}" for name, value in self.loss.items())
        best = min(self.loss, key=lambda name: self.loss[name])
        apart = [
            f"{name} is {'within' if worse <= error else 'more than'} one standard error ({error:.5f}) behind {best}"
            for name, (worse, error) in self.behind.items()
            if name != best
        ]
        return "; ".join((f"{self.model.kind} ({self.name}): log loss {losses}", *apart))


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


@one_thread
def choose(
    candidates: Mapping[str, Fit],
    x: np.ndarray,
    y: np.ndarray,
    patient_id: np.ndarray,
    folds: int,
    seed: int,
    weight: np.ndarray | None = None,
) -> Choice:
    """Compare candidates out of fold, calibrate the winner there, and fit it to all rows.

    Parameters
    ----------
    candidates
        By name, the simplest first.
    weight
        (n,), ones by default: the same in fitting, comparing and calibrating.

    Raises
    ------
    training.calibrate.Flat
        The winner's margin does not rise with the outcome.
    """
    margins = {name: out_of_fold(fit, x, y, patient_id, folds, seed, weight) for name, fit in candidates.items()}
    calibrations = {name: calibrated(margin, y, weight) for name, margin in margins.items()}
    share = np.ones(len(y)) / len(y) if weight is None else weight / weight.sum()
    losses = {name: log_loss(y, a * margins[name] + b) for name, (a, b) in calibrations.items()}
    behind = compared(losses, share, patient_id)
    winner = simplest(behind)
    a, b = affine(margins[winner], y, weight)
    model = candidates[winner](x, y, patient_id, *(() if weight is None else (weight,)))
    probability = 1 / (1 + np.exp(-(a * margins[winner] + b)))
    mean = {name: float(share @ loss) for name, loss in losses.items()}
    return Choice(winner, model, (a, b), probability, mean, behind)


def compared(
    losses: Mapping[str, np.ndarray], share: np.ndarray, patient_id: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Return how much worse than the best each is, by (n,) losses and shares, with the standard error over patients."""
    best = losses[min(losses, key=lambda name: float(share @ losses[name]))]
    _, row = np.unique(patient_id, return_inverse=True)
    found = {}
    for name, loss in losses.items():
        worse = float(share @ (loss - best))
        error = float(np.sqrt((np.bincount(row, weights=share * (loss - best - worse)) ** 2).sum()))
        found[name] = (worse, error)
    return found


def simplest(behind: Mapping[str, tuple[float, float]]) -> str:
    """Return the first of the candidates within one standard error of the best."""
    return next(name for name, (worse, error) in behind.items() if worse <= error)


def calibrated(margin: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    """Return (A, B); of a candidate that predicts nothing, those of the overall risk."""
    try:
        return affine(margin, y, weight)
    except InputError:
        share = float(np.average(y, weights=weight))
        return 0.0, float(np.log(share / (1 - share)))
