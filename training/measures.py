"""Measures of a risk, for many weightings of the rows at once.

Every measure takes weights of shape (b, n), the counts of each row in b bootstrap samples (ones for
the sample itself), and returns b numbers. Sorting is done once, not once a sample.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.calibrate import logistic_fits, sigmoid

Measure = Callable[[np.ndarray], np.ndarray]
_EDGE = 1e-12


def log_odds(probability: np.ndarray) -> np.ndarray:
    """Return log(p / (1 - p)), p kept off 0 and 1 by 1e-12."""
    p = np.clip(probability, _EDGE, 1 - _EDGE)
    return np.log(p) - np.log1p(-p)


def auroc(y: np.ndarray, score: np.ndarray) -> Measure:
    """Probability that an event is ranked above a non-event, ties counted half."""
    order = np.argsort(score, kind="stable")
    events = y[order].astype(float)
    starts = _levels(score[order])

    def measure(weights: np.ndarray) -> np.ndarray:
        ranked = weights[:, order]
        positive = np.add.reduceat(ranked * events, starts, axis=1)
        negative = np.add.reduceat(ranked * (1 - events), starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative
        with np.errstate(invalid="ignore"):
            return (positive * (below + negative / 2)).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))

    return measure


def auprc(y: np.ndarray, score: np.ndarray) -> Measure:
    """Average precision: precision at each distinct score, weighted by the recall gained there."""
    order = np.argsort(-score, kind="stable")
    events = y[order].astype(float)
    starts = _levels(score[order])

    def measure(weights: np.ndarray) -> np.ndarray:
        ranked = weights[:, order]
        positive = np.add.reduceat(ranked * events, starts, axis=1)
        called = np.cumsum(np.add.reduceat(ranked, starts, axis=1), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(called > 0, np.cumsum(positive, axis=1) / called, 0.0)
            return (positive * precision).sum(axis=1) / positive.sum(axis=1)

    return measure


def _levels(ordered: np.ndarray) -> np.ndarray:
    """Return where each distinct value begins; a null's minus infinity is a value like another."""
    return np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])


def mean(value: np.ndarray) -> Measure:
    """Mean of (n,) values."""
    return lambda weights: weights @ value / weights.sum(axis=1)


def brier(y: np.ndarray, probability: np.ndarray) -> Measure:
    """Mean squared difference between probability and outcome."""
    square = (probability - y) ** 2
    return mean(square)


def brier_scaled(y: np.ndarray, probability: np.ndarray) -> Measure:
    """One less the Brier score over that of the overall risk: 0 is no use, 1 is perfect."""
    square = (probability - y) ** 2

    def measure(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=1)
        share = weights @ y / total
        with np.errstate(invalid="ignore", divide="ignore"):
            return 1 - (weights @ square / total) / (share * (1 - share))

    return measure


def slope(y: np.ndarray, probability: np.ndarray) -> Measure:
    """Calibration slope: the coefficient of the predicted log-odds. 1 is right, below 1 too extreme."""
    design = np.column_stack([log_odds(probability), np.ones(len(y))])
    whole = _whole(design, y)
    return lambda weights: logistic_fits(design, y, weights, start=whole)[:, 0]


def intercept(y: np.ndarray, probability: np.ndarray) -> Measure:
    """Calibration in the large: the constant beside the predicted log-odds taken as they are. 0 is right."""
    ones, offset = np.ones((len(y), 1)), log_odds(probability)
    return lambda weights: logistic_fits(ones, y, weights, offset=offset)[:, 0]


def observed_expected(y: np.ndarray, probability: np.ndarray) -> Measure:
    """Events observed over events expected."""
    return lambda weights: weights @ y / (weights @ probability)


def integrated_calibration(y: np.ndarray, probability: np.ndarray) -> Measure:
    """ICI: mean distance between the probability and a smooth calibration curve (Austin and Steyerberg 2019).

    The curve is a logistic regression on a restricted cubic spline of the predicted log-odds, four
    knots at the percentiles 5, 35, 65, 95 (a straight line where those coincide).
    """
    margin = log_odds(probability)
    curve = restricted_spline(margin, spline_knots(margin))
    curve = curve / np.maximum(np.abs(curve).max(axis=0), _EDGE)
    design = np.column_stack([np.ones(len(y)), margin, curve])
    whole = _whole(design, y)

    def measure(weights: np.ndarray) -> np.ndarray:
        fits = logistic_fits(design, y, weights, start=whole)
        return (weights * np.abs(sigmoid(fits @ design.T) - probability)).sum(axis=1) / weights.sum(axis=1)

    return measure


def _whole(design: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the fit to all rows, where the fits to samples start."""
    return np.nan_to_num(logistic_fits(design, y, np.ones((1, len(y))))[0])


def lift(y: np.ndarray, score: np.ndarray, share: float) -> Measure:
    """Event rate among the ``share`` of rows scored highest, over the event rate of all.

    Of the rows that tie at the cut each counts by the share of them that can still be taken.
    """
    most = max(1, round(share * len(y)))
    cut = np.sort(score)[len(y) - most]
    above, tied = score > cut, score == cut
    chosen = above + tied * (most - above.sum()) / tied.sum()

    def measure(weights: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            called = weights @ (chosen * y) / (weights @ chosen)
            return called / (weights @ y / weights.sum(axis=1))

    return measure


def difference(one: Measure, other: Measure) -> Measure:
    """One measure less another, on the same samples."""
    return lambda weights: one(weights) - other(weights)


def spline_knots(x: np.ndarray, percentiles: tuple[float, ...] = (5, 35, 65, 95)) -> np.ndarray:
    """Return distinct knots at percentiles of the values that are there (Harrell 2015, 2.4.6)."""
    known = x[~np.isnan(x)]
    return np.unique(np.percentile(known, percentiles)) if len(known) else np.empty(0)


def restricted_spline(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Return the (n, k - 2) non-linear columns of a restricted cubic spline; none below three knots.

    Harrell, Regression Modeling Strategies (2015), eq. 2.25: linear beyond the outer knots, scaled
    by the squared distance between them.
    """
    k = len(knots)
    if k < 3:
        return np.empty((len(x), 0))
    last, before = knots[-1], knots[-2]
    cube = np.maximum(x[:, None] - knots[None, :], 0.0) ** 3
    inner = cube[:, : k - 2]
    columns = (
        inner
        - cube[:, [k - 2]] * (last - knots[: k - 2]) / (last - before)
        + cube[:, [k - 1]] * (before - knots[: k - 2]) / (last - before)
    )
    return columns / (last - knots[0]) ** 2
