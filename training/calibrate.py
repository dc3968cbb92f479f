"""Logistic fits by Newton's method, many weightings at once, and the affine calibration made of one."""

from __future__ import annotations

import numpy as np

from features.errors import InputError
from training.one_thread import one_thread


class Flat(InputError):
    """A margin does not rise with the outcome on people it never saw: nothing was learnt."""


_REACH = 6.0
"""Most that a step may move a row's log-odds: Newton's method overshoots from far away."""


def logistic_fits(
    design: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray,
    offset: np.ndarray | None = None,
    start: np.ndarray | None = None,
    tolerance: float = 1e-7,
    steps: int = 40,
) -> np.ndarray:
    """Fit one logistic regression for every row of weights.

    Parameters
    ----------
    design
        (n, k) columns, the constant among them where one is wanted.
    y
        (n,) outcome, 0 or 1.
    weights
        (b, n) weight of each row in each fit: counts of a bootstrap, or ones.
    offset
        (n,) fixed part of the linear predictor.
    start
        (k,) first guess for every fit.

    Returns
    -------
    numpy.ndarray
        (b, k) coefficients. A fit whose likelihood has no maximum (separation, one class) is NaN.
    """
    n, k = design.shape
    beta = np.tile(np.zeros(k) if start is None else start, (len(weights), 1))
    eta = beta @ design.T + (0.0 if offset is None else offset)
    squares = (design[:, :, None] * design[:, None, :]).reshape(n, k * k)
    ridge = np.eye(k) * 1e-9
    for _ in range(steps):
        p = sigmoid(eta)
        gradient = (weights * (y - p)) @ design
        hessian = ((weights * p * (1 - p)) @ squares).reshape(-1, k, k) + ridge
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        moved = step @ design.T
        size = np.abs(moved).max(axis=1)
        short = np.minimum(1.0, _REACH / np.maximum(size, _REACH))[:, None]
        beta, eta = beta + short * step, eta + short * moved
        if size.max() < tolerance:
            break
    beta[size > 1e-3] = np.nan
    return beta


def sigmoid(eta: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-eta)) without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * eta))


@one_thread
def affine(margin: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    """Fit (A, B) so that A x margin + B is a calibrated log-odds (Platt 1999, on the margin).

    Affine in the margin, so that additive contributions stay additive. ``weight`` is (n,), one over the
    probability of being followed; ones by default.

    Raises
    ------
    Flat
        The margin does not rise with the outcome.
    InputError
        One class only.
    """
    if len(np.unique(y)) < 2:
        raise InputError(
            "the calibration part holds one class only",
            where="calibration",
            remedy="give more patients, or a larger split.calibration",
        )
    design = np.column_stack([margin, np.ones_like(margin)])
    a, b = logistic_fits(design, y, np.ones((1, len(y))) if weight is None else weight[None, :])[0]
    if not a > 0:
        raise Flat(
            "the margin does not rise with the outcome on held-out patients",
            where="calibration",
            remedy="the features do not predict this outcome here",
        )
    return float(a), float(b)
