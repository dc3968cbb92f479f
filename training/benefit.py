"""Decision curve and calibration curve: what a risk is worth at a threshold, and where it is right.

Net benefit (Vickers and Elkin 2006): true positives less false positives x t / (1 - t), per person.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import chi2

from training.calibrate import logistic_fits, sigmoid
from training.evaluate import Bootstrap, Figure, interval
from training.measures import log_odds, restricted_spline, spline_knots

THRESHOLDS = 25
GRID = 40
_SMALL = 1e-12


@dataclass(frozen=True)
class Benefit:
    """Net benefit at one threshold: of the model, of treating all (treating none is 0), and the model's lead."""

    threshold: float
    model: Figure
    treat_all: Figure
    lead: Figure


def decision_curve(y: np.ndarray, probability: np.ndarray, draw: Bootstrap) -> tuple[Benefit, ...]:
    """Return the net benefit over thresholds from a tenth of the overall risk to the 99th percentile.

    ``lead`` is over the better of treat-all and treat-none, on the same samples.
    """
    top = float(np.quantile(probability, 0.99))
    thresholds = np.linspace(max(y.mean() / 10, 1e-3), max(top, y.mean()), THRESHOLDS)
    found = []
    for cut in thresholds:
        chosen = (probability >= cut).astype(float)
        odds = cut / (1 - cut)
        value, drawn = draw.sums(np.column_stack([np.ones(len(y)), y, chosen * y - chosen * (1 - y) * odds]))

        def each(sums: np.ndarray, odds: float = odds) -> tuple[np.ndarray, np.ndarray]:
            share = sums[..., 1] / sums[..., 0]
            return sums[..., 2] / sums[..., 0], share - (1 - share) * odds

        (ours, everyone), (sample, all_sample) = each(value), each(drawn)
        lead, leads = ours - np.maximum(everyone, 0), sample - np.maximum(all_sample, 0)
        told = (float(ours), sample), (float(everyone), all_sample), (float(lead), leads)
        found.append(Benefit(float(cut), *(interval(*each) for each in told)))
    return tuple(found)


@dataclass(frozen=True)
class CalibrationCurve:
    """A smooth calibration curve with its band, and whether a straight line in log-odds would do.

    The curve is a logistic regression on a restricted cubic spline of the predicted log-odds
    (Austin and Steyerberg 2019), four knots.

    Parameters
    ----------
    y, probability
        (n,) outcome and prediction.
    draw
        Samples of patients.
    """

    y: np.ndarray
    probability: np.ndarray
    draw: Bootstrap

    @cached_property
    def _knots(self) -> np.ndarray:
        return spline_knots(log_odds(self.probability))

    def _columns(self, margin: np.ndarray, scale: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        curve = restricted_spline(margin, self._knots)
        scale = np.maximum(np.abs(curve).max(axis=0), _SMALL) if scale is None else scale
        return np.column_stack([np.ones(len(margin)), margin, curve / scale]), scale

    @cached_property
    def _fits(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients of the rows (k,), of the samples (b, k), and the scale of the spline columns."""
        design, scale = self._columns(log_odds(self.probability))
        whole: list[np.ndarray] = []

        def fit(weights: np.ndarray) -> np.ndarray:
            found = logistic_fits(design, self.y, weights, start=whole[0] if whole else None)
            whole.append(np.nan_to_num(found[0]))
            return found

        first, drawn = self.draw.each(fit)
        return first, drawn, scale

    def points(self) -> list[dict[str, float]]:
        """Return (predicted, observed, lo, hi) over the middle 98 % of the predictions."""
        lo, hi = np.quantile(self.probability, [0.01, 0.99])
        grid = np.linspace(lo, hi, GRID)
        whole, drawn, scale = self._fits
        design, _ = self._columns(log_odds(grid), scale)
        middle, band = sigmoid(design @ whole), sigmoid(drawn[~np.isnan(drawn).any(axis=1)] @ design.T)
        ends = np.percentile(band, [2.5, 97.5], axis=0) if len(band) else np.full((2, GRID), np.nan)
        return [
            {"predicted": float(a), "observed": float(b), "lo": float(c), "hi": float(d)}
            for a, b, c, d in zip(grid, middle, *ends)
        ]

    def curvature(self) -> dict[str, object]:
        """Return a Wald test of the spline's columns, its covariance from the samples of patients.

        Affine calibration does not suffice where p < .01.
        """
        whole, drawn, _ = self._fits
        bent, samples = whole[2:], drawn[~np.isnan(drawn).any(axis=1)][:, 2:]
        if not len(bent) or len(samples) <= len(bent) + 1:
            return {"suffices": True, "p": None, "text": "the predictions are too alike for a curve"}
        covariance = np.atleast_2d(np.cov(samples.T)) + np.eye(len(bent)) * _SMALL
        p = float(chi2.sf(bent @ np.linalg.solve(covariance, bent), len(bent)))
        verdict = "a straight line in log-odds suffices" if p >= 0.01 else "the calibration curve is bent"
        return {"suffices": p >= 0.01, "p": p, "text": f"{verdict} (Wald p = {p:.3f})"}
