"""Do the reasons stay when the model is fitted again? Five retrains, seed and patients drawn anew.

The table is kept in the artefact as ``stability.json``; ``stable`` in an answer is a look-up in it, by
reason code and decile of the margin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from training.explanation import Explanation
from training.gates import STABLE
from training.refit import Refit
from training.rounds import Rounds
from training.scorer import Scorer

FILE = "stability.json"
RETRAINS, TOP, ROWS, DECILES = 5, 4, 4000, 10
FEW = 20
"""Times that a code was named in a decile, below which its mean over all deciles is taken."""


@dataclass(frozen=True)
class Stability:
    """How often a reason is named again, with the same sign, when the model is fitted again.

    Parameters
    ----------
    overlap
        Mean share of a row's four greatest groups that a retrain names too, with the same sign.
    rows
        Validation rows that this was asked of.
    edges
        Nine margins (calibrated log-odds) between the deciles.
    shares
        Reason code -> share by decile, from 0 (never again) to 1; a code never named is absent.
    """

    overlap: float
    rows: int
    edges: tuple[float, ...]
    shares: Mapping[str, tuple[float, ...]]

    def share(self, codes: Iterable[str], margin: float) -> float | None:
        """Return the mean share of some reason codes at a margin; None where none of them is known."""
        decile = int(np.searchsorted(self.edges, margin, side="right"))
        found = [self.shares[code][decile] for code in codes if code in self.shares]
        return float(np.mean(found)) if found else None

    def stable(self, codes: Iterable[str], margin: float) -> bool | None:
        """Return whether an answer's reasons are stable: a mean share of .6 or more."""
        share = self.share(codes, margin)
        return None if share is None else share >= STABLE

    def to_json(self) -> str:
        told = {"overlap": self.overlap, "rows": self.rows, "edges": self.edges, "shares": dict(self.shares)}
        return json.dumps(told, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Stability:
        """Read what to_json wrote."""
        told = json.loads(text)
        shares = {code: tuple(each) for code, each in told["shares"].items()}
        return cls(told["overlap"], told["rows"], tuple(told["edges"]), shares)


def code(group: str, value: float) -> str:
    """Return a reason code: the clinical group and which way it moved the score."""
    return f"{group}:{'raises' if value > 0 else 'lowers'}"


def stability(data: Rounds, scorer: Scorer, refit: Refit, seed: int) -> Stability:
    """Fit the winner five times to patients drawn with replacement and compare its reasons with the scorer's.

    Each row is explained again by models that were not fitted to its patient.
    """
    rows = np.flatnonzero(data.tested)
    if len(rows) > ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, ROWS, replace=False))
    ours = scorer.explain(data.x[rows])
    again = []
    for number in range(RETRAINS):
        found = np.empty_like(ours.group_contributions)
        for train, test in data.parts:
            own = test[rows]
            model = refit.seeded(number + 1)(*drawn(data, np.flatnonzero(train), (seed, number)))
            found[own] = scorer_of(model, scorer).explain(data.x[rows[own]]).group_contributions
        again.append(found)
    return compared(ours, again)


def drawn(
    data: Rounds, train: np.ndarray, seed: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return (x, y, patient, weight) of the patients of some rows, as many drawn with replacement."""
    names, row = np.unique(data.patient_id[train], return_inverse=True)
    order = np.argsort(row, kind="stable")
    count = np.bincount(row, minlength=len(names))
    begin = np.r_[0, np.cumsum(count)[:-1]]
    taken = np.random.default_rng(seed).integers(0, len(names), len(names))
    rows = train[np.concatenate([order[begin[each] : begin[each] + count[each]] for each in taken])]
    copy = np.repeat(np.arange(len(taken)), count[taken]).astype(str)
    patient = np.char.add(np.char.add(data.patient_id[rows].astype(str), "#"), copy)
    return data.x[rows], data.y[rows], patient, data.weight[rows]


def scorer_of(candidate: object, like: Scorer) -> Scorer:
    """Return a candidate as a scorer with another's calibration: its sign and ranks of reasons are its own."""
    return Scorer.of(
        candidate,
        task=like.task,
        horizon_days=like.horizon_days,
        spec=like.spec,
        bands=like.bands,
        calibration=like.calibration,
    )


def compared(ours: Explanation, again: list[np.ndarray]) -> Stability:
    """Return the overlap of the four main groups with their signs, and the shares by code and decile.

    Parameters
    ----------
    again
        (n, groups) contributions of each retrain to the same rows.
    """
    edges = np.quantile(ours.margin, np.linspace(0, 1, DECILES + 1)[1:-1])
    decile = np.searchsorted(edges, ours.margin, side="right")
    named = _named(ours.group_contributions)
    shared = np.zeros(named.shape)
    for other in again:
        same = _named(other) & (np.sign(other) == np.sign(ours.group_contributions))
        shared += named & same
    shared /= max(len(again), 1)
    counted = named.sum(axis=1)
    overlap = float((shared.sum(axis=1)[counted > 0] / counted[counted > 0]).mean()) if counted.any() else 0.0
    shares = {}
    for place, group in enumerate(ours.groups):
        for sign in (1.0, -1.0):
            rows = named[:, place] & (np.sign(ours.group_contributions[:, place]) == sign)
            if not rows.any():
                continue
            times = np.bincount(decile[rows], minlength=DECILES)
            total = np.bincount(decile[rows], weights=shared[rows, place], minlength=DECILES)
            mean = float(shared[rows, place].mean())
            shares[code(group, sign)] = tuple(
                float(t / n) if n >= FEW else mean for t, n in zip(total.tolist(), times.tolist())
            )
    return Stability(overlap, len(ours.margin), tuple(float(edge) for edge in edges), shares)


def _named(contributions: np.ndarray) -> np.ndarray:
    """Return (n, groups): among the four greatest of a row, and not 0."""
    size = np.abs(contributions)
    order = np.argsort(-size, axis=1, kind="stable")[:, :TOP]
    named = np.zeros(size.shape, dtype=bool)
    np.put_along_axis(named, order, True, axis=1)
    return named & (size > 0)
