"""Venn-ABERS intervals beside a risk: what two isotonic fits, one for either outcome, say of it.

Vovk and Petej (2014): one of the two probabilities is calibrated whatever the distribution. The
interval is reported beside the probability and never replaces it, which stays affine so that its
explanation stays exact. Kept in the artefact as ``intervals.json``.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass

import numpy as np

FILE = "intervals.json"
GRID = 100
ROWS = 4_000


@dataclass(frozen=True)
class Intervals:
    """Interval ends at probabilities of a grid; between them the nearer one below is taken.

    Parameters
    ----------
    probability, lo, hi
        (g,) rising probabilities and the ends of their intervals.
    rows
        Calibration rows they come from.
    """

    probability: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    rows: int

    def of(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (lo, hi) beside probabilities (n,)."""
        place = np.searchsorted(self.probability, probability, side="right") - 1
        place = np.clip(place, 0, len(self.probability) - 1)
        return self.lo[place], self.hi[place]

    def to_json(self) -> str:
        told = {name: np.round(getattr(self, name), 6).tolist() for name in ("probability", "lo", "hi")}
        return json.dumps({**told, "rows": self.rows}) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Intervals:
        """Read what to_json wrote."""
        told = json.loads(text)
        probability, lo, hi = (np.array(told[name]) for name in ("probability", "lo", "hi"))
        return cls(probability, lo, hi, told["rows"])


def intervals(probability: np.ndarray, y: np.ndarray, seed: int) -> Intervals:
    """Fit to probabilities of people whom their model never saw, and their outcomes.

    At most 4,000 rows are used, drawn at random.
    """
    from venn_abers import VennAbers  # type: ignore[import-untyped]

    if len(y) > ROWS:
        some = np.random.default_rng(seed).choice(len(y), ROWS, replace=False)
        probability, y = probability[some], y[some]
    fitted = VennAbers()
    grid = np.unique(np.quantile(probability, np.linspace(0, 1, GRID)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # 0 / 0 between rows of one probability, which it skips
        fitted.fit(np.column_stack([1 - probability, probability]), y)
        _, ends = fitted.predict_proba(np.column_stack([1 - grid, grid]))
    return Intervals(grid, ends.min(axis=1), ends.max(axis=1), len(y))


def checked(found: Intervals, probability: np.ndarray, y: np.ndarray, weight: np.ndarray) -> dict[str, object]:
    """Return how wide the intervals are, and in how many tenths of the risk the observed rate lies inside.

    The mean ends of a tenth are widened by the rate's own sampling error (two standard errors).
    """
    lo, hi = found.of(probability)
    tenth = np.searchsorted(np.quantile(probability, np.linspace(0, 1, 11)[1:-1]), probability, side="right")
    inside = []
    for number in np.unique(tenth):
        rows = tenth == number
        w = weight[rows]
        rate, low, high = ((w @ each[rows]) / w.sum() for each in (y, lo, hi))
        error = 2 * np.sqrt(max(rate * (1 - rate), 1e-9) * (w**2).sum()) / w.sum()
        inside.append(bool(low - error <= rate <= high + error))
    within = float(((lo <= probability) & (probability <= hi)).mean())
    text = f"observed rate inside in {sum(inside)} of {len(inside)} tenths; mean width {float((hi - lo).mean()):.4f}"
    return {
        "width": float((hi - lo).mean()),
        "inside": sum(inside),
        "tenths": len(inside),
        "within": within,
        "text": text,
    }
