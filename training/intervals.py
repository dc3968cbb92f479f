"""Venn-ABERS intervals beside a risk: what two isotonic fits, one for either outcome, say of it.

Vovk and Petej (2014): one of the two probabilities is calibrated whatever the distribution. Rows weigh as they do
in the fit of the risk (the inverse probability of being followed), the row asked about as one. The
interval is reported beside the probability and never replaces it, which stays affine so that its
explanation stays exact. Kept in the artefact as ``intervals.json``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

FILE = "intervals.json"
GRID = 100
ROWS = 4_000


@dataclass(frozen=True)
class Intervals:
    """Interval ends at probabilities of a grid; between them they are on a straight line.

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
        lo, hi = (np.interp(probability, self.probability, ends) for ends in (self.lo, self.hi))
        return lo, hi

    def to_json(self) -> str:
        told = {name: np.round(getattr(self, name), 6).tolist() for name in ("probability", "lo", "hi")}
        return json.dumps({**told, "rows": self.rows}) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Intervals:
        """Read what to_json wrote."""
        told = json.loads(text)
        probability, lo, hi = (np.array(told[name]) for name in ("probability", "lo", "hi"))
        return cls(probability, lo, hi, told["rows"])


def intervals(
    probability: np.ndarray, y: np.ndarray, weight: np.ndarray, patient_id: np.ndarray, seed: int
) -> Intervals:
    """Fit to (n,) probabilities by models that never saw the patient, the outcomes, weights and patients.

    One row a patient, since rows of one patient tell less than rows of several, and at most 4,000, drawn at random.
    """
    order = np.random.default_rng(seed).permutation(len(y))
    some = order[np.sort(np.unique(patient_id[order], return_index=True)[1])[:ROWS]]
    probability, y, weight = probability[some], y[some], weight[some]
    grid = np.unique(np.quantile(probability, np.linspace(0, 1, GRID)))
    level, row = np.unique(np.r_[probability, grid], return_inverse=True)
    weighed, events = (np.bincount(row[: len(y)], each, len(level)) for each in (weight, weight * y))
    asked = row[len(y) :]
    lo, hi = (_risen(weighed, events, asked, outcome) for outcome in (0.0, 1.0))
    return Intervals(grid, lo, hi, len(y))


def _risen(weight: np.ndarray, events: np.ndarray, asked: np.ndarray, outcome: float) -> np.ndarray:
    """Return what an isotonic fit says at each of some levels once a row of that outcome is put there.

    Parameters
    ----------
    weight, events
        (k,) total weight, and that of the rows with the event, at each level of the probability.
    asked
        (g,) places of levels.
    """
    from sklearn.isotonic import isotonic_regression

    found = np.empty(len(asked))
    for number, place in enumerate(asked):
        total, happened = weight.copy(), events.copy()
        total[place] += 1
        happened[place] += outcome
        there = total > 0
        fitted = isotonic_regression(happened[there] / total[there], sample_weight=total[there])
        found[number] = fitted[np.count_nonzero(there[:place])]
    return found


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
        likely = max(rate, (low + high) / 2)  # no event at all is no proof that there is no risk
        error = 2 * np.sqrt(max(likely * (1 - likely), 1e-9) * (w**2).sum()) / w.sum()
        inside.append(bool(low - error <= rate <= high + error))
    within = float(((lo <= probability) & (probability <= hi)).mean())
    text = f"observed rate inside in {sum(inside)} of {len(inside)} tenths; mean width {float((hi - lo).mean()):.4f}"
    text += f"; the risk lies inside its own interval in {within:.0%} of rows"
    return {
        "width": float((hi - lo).mean()),
        "inside": sum(inside),
        "tenths": len(inside),
        "within": within,
        "text": text,
    }
