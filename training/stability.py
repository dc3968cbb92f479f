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
from training.labelled import Labelled
from training.refit import Refit
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


def stability(data: Labelled, scorer: Scorer, refit: Refit, seed: int) -> Stability:
    """Fit the winner five times to patients drawn with replacement and compare its reasons with the scorer's."""
    test = np.flatnonzero(data.parts.rows("test"))
    if len(test) > ROWS:
        test = np.sort(np.random.default_rng(seed).choice(test, ROWS, replace=False))
    x = data.x[test]
    ours = scorer.explain(x)
    again = [scorer_of(each, scorer).explain(x) for each in retrains(data, refit, seed)]
    return compared(ours, again)


def retrains(data: Labelled, refit: Refit, seed: int) -> Iterable[object]:
    """Yield the five models: another seed, and patients of the train part drawn with replacement."""
    train = np.flatnonzero(data.parts.rows("train"))
    names, row = np.unique(data.patient_id[train], return_inverse=True)
    order = np.argsort(row, kind="stable")
    count = np.bincount(row, minlength=len(names))
    begin = np.r_[0, np.cumsum(count)[:-1]]
    for number in range(RETRAINS):
        drawn = np.random.default_rng([seed, number]).integers(0, len(names), len(names))
        places = np.concatenate([order[begin[each] : begin[each] + count[each]] for each in drawn])
        copy = np.repeat(np.arange(len(drawn)), count[drawn]).astype(str)
        rows = train[places]
        patient = np.char.add(np.char.add(data.patient_id[rows].astype(str), "#"), copy)
        yield refit.seeded(number + 1)(data.x[rows], data.y[rows], patient, data.weight[rows])


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


def compared(ours: Explanation, again: list[Explanation]) -> Stability:
    """Return the overlap of the four main groups with their signs, and the shares by code and decile."""
    edges = np.quantile(ours.margin, np.linspace(0, 1, DECILES + 1)[1:-1])
    decile = np.searchsorted(edges, ours.margin, side="right")
    named = _named(ours)
    shared = np.zeros(named.shape)
    for other in again:
        same = _named(other) & (np.sign(other.group_contributions) == np.sign(ours.group_contributions))
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


def _named(found: Explanation) -> np.ndarray:
    """Return (n, groups): among the four greatest of a row, and not 0."""
    size = np.abs(found.group_contributions)
    order = np.argsort(-size, axis=1, kind="stable")[:, :TOP]
    named = np.zeros(size.shape, dtype=bool)
    np.put_along_axis(named, order, True, axis=1)
    return named & (size > 0)
