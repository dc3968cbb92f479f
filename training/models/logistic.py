"""Logistic regression: few features, splines on the first, an indicator where a value is missing, few interactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from training.calibrate import sigmoid
from training.measures import restricted_spline, spline_knots
from training.models.clip import bounds, clipped
from training.models.values import ModelValues
from training.one_thread import one_thread
from training.split import draw

_MISSING_FROM = 0.005
_SEARCHED = 20_000


@dataclass(frozen=True)
class Term:
    """One feature's columns: its value (clipped, the median where missing), spline columns, an indicator.

    ``place`` is the feature's position in the input; ``knots`` is empty where it is not splined;
    ``flagged`` adds the indicator of a missing value, where no feature before it is missing on the
    same rows.
    """

    place: int
    lo: float
    hi: float
    median: float
    knots: tuple[float, ...]
    flagged: bool

    @property
    def width(self) -> int:
        """How many columns it has."""
        return 1 + max(0, len(self.knots) - 2) + self.flagged

    def value(self, x: np.ndarray) -> np.ndarray:
        """Return the (n,) values of an input (n, features): clipped, the median where missing."""
        column = x[:, self.place]
        return np.clip(np.where(np.isnan(column), self.median, column), self.lo, self.hi)

    def missing(self, x: np.ndarray) -> np.ndarray:
        """Return (n,) 1.0 where the value is missing, else 0.0."""
        return np.isnan(x[:, self.place]).astype(float)

    def columns(self, x: np.ndarray) -> np.ndarray:
        """Return the (n, width) columns of an input (n, features)."""
        value = self.value(x)
        parts = [value[:, None], restricted_spline(value, np.array(self.knots))]
        if self.flagged:
            parts.append(self.missing(x)[:, None])
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Cross:
    """Two features' interaction: the product of their values about the medians.

    Where one of them is often missing (``flagged``), the other's value weighs differently there: a
    column each.
    """

    first: Term
    second: Term

    @property
    def width(self) -> int:
        """How many columns it has."""
        return 1 + self.first.flagged + self.second.flagged

    def columns(self, x: np.ndarray) -> np.ndarray:
        """Return the (n, width) columns of an input (n, features)."""
        a, b = self.first.value(x) - self.first.median, self.second.value(x) - self.second.median
        parts = [a * b]
        if self.first.flagged:
            parts.append(self.first.missing(x) * b)
        if self.second.flagged:
            parts.append(self.second.missing(x) * a)
        return np.column_stack(parts)


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression over standardised columns of its terms, then of its crosses."""

    terms: tuple[Term, ...]
    mean: np.ndarray
    sd: np.ndarray
    coefficients: np.ndarray
    intercept: float
    penalty: float
    crosses: tuple[Cross, ...] = ()
    kind = "linear"

    def design(self, x: np.ndarray) -> np.ndarray:
        """Return the (n, columns) standardised columns."""
        return (_columns((*self.terms, *self.crosses), x) - self.mean) / self.sd

    def margin(self, x: np.ndarray) -> np.ndarray:
        return self.design(x) @ self.coefficients + self.intercept


def terms(x: np.ndarray, names: tuple[str, ...], core: tuple[str, ...], values: ModelValues) -> tuple[Term, ...]:
    """Choose the columns from the train part: features of the core that are there and that vary."""
    places = [names.index(name) for name in core]
    lo, hi = bounds(x[:, places], values.clip)
    read = clipped(x[:, places], lo, hi)
    found, patterns = [], set()
    for order, place in enumerate(places):
        column = read[:, order]
        known = column[~np.isnan(column)]
        if not len(known):
            continue
        missing = 1 - len(known) / len(column)
        knots = spline_knots(column, values.logistic.knots) if order < values.logistic.splined else np.empty(0)
        pattern = np.isnan(column).tobytes()
        flagged = _MISSING_FROM <= missing <= 1 - _MISSING_FROM and pattern not in patterns
        patterns.add(pattern)
        if known.min() == known.max() and not flagged:
            continue
        found.append(
            Term(
                place,
                float(lo[order]),
                float(hi[order]),
                float(np.median(known)),
                tuple(float(knot) for knot in knots) if len(knots) >= 3 else (),
                flagged,
            )
        )
    return tuple(found)


def crossed(
    x: np.ndarray, names: tuple[str, ...], pairs: Sequence[tuple[str, str]], values: ModelValues
) -> tuple[Cross, ...]:
    """Choose the interactions from the train part: pairs of which both vary."""
    found = []
    for pair in pairs:
        sides = [terms(x, names, (name,), values) for name in pair]
        if all(sides):
            first, second = (replace(side[0], knots=()) for side in sides)
            found.append(Cross(first, second))
    return tuple(found)


def parameters(found: Sequence[Term | Cross]) -> int:
    """Return how many coefficients they take, for the sample-size criterion."""
    return sum(each.width for each in found)


@one_thread
def fit(
    x: np.ndarray,
    y: np.ndarray,
    patient_id: np.ndarray,
    names: tuple[str, ...],
    core: tuple[str, ...],
    values: ModelValues,
    pairs: Sequence[tuple[str, str]] = (),
    weight: np.ndarray | None = None,
) -> Logistic:
    """Fit on (n, k) features with NaN for null; the penalty is the best of patient-grouped folds by log loss.

    ``weight`` is (n,), ones by default; the means that columns are held against count rows, not weights.
    """
    weight = np.ones(len(y)) if weight is None else weight
    chosen, crosses = terms(x, names, core, values), crossed(x, names, pairs, values)
    raw = _columns((*chosen, *crosses), x)
    mean, sd = raw.mean(axis=0), raw.std(axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    design = np.column_stack([(raw - mean) / sd, np.ones(len(y))])
    penalty = _best_penalty(design, y, patient_id, weight, values)
    beta = penalised(design, y, penalty, weight=weight)
    return Logistic(chosen, mean, sd, beta[:-1], float(beta[-1]), penalty, crosses)


def _best_penalty(
    design: np.ndarray, y: np.ndarray, patient_id: np.ndarray, weight: np.ndarray, values: ModelValues
) -> float:
    """Return the penalty with the least log loss over folds of patients.

    Of the patients with an event, and of those without, at most :data:`_SEARCHED` rows each are searched, whole
    patients drawn and weighed by how few were: where events are rare, it is they that part the penalties.
    """
    penalties, folds = sorted(values.logistic.penalties, reverse=True), values.logistic.folds
    if len(penalties) == 1:
        return penalties[0]
    ill = np.isin(patient_id, patient_id[y == 1])
    share = np.where(ill, *(min(1.0, _SEARCHED / max(int(each.sum()), 1)) for each in (ill, ~ill)))
    some, weight = draw(patient_id, f"search-{values.seed}") < share, weight / share
    fold = np.minimum((draw(patient_id, f"penalty-{values.seed}") * folds).astype(int), folds - 1)
    losses = dict.fromkeys(penalties, 0.0)
    for held in range(folds):
        train, valid = some & (fold != held), some & (fold == held)
        beta = None
        for penalty in penalties:
            beta = penalised(design[train], y[train], penalty, beta, weight[train])
            losses[penalty] += float(weight[valid] @ log_loss(y[valid], design[valid] @ beta))
    return min(penalties, key=lambda each: losses[each])


def penalised(
    design: np.ndarray,
    y: np.ndarray,
    penalty: float,
    start: np.ndarray | None = None,
    weight: np.ndarray | None = None,
) -> np.ndarray:
    """Minimise weighted log loss + penalty / 2 x |beta|^2 by Newton's method, the last column (constant) apart."""
    weight = np.ones(len(y)) if weight is None else weight
    k = design.shape[1]
    ridge = np.full(k, penalty)
    ridge[-1] = 1e-9
    beta = np.zeros(k) if start is None else start
    for _ in range(50):
        p = sigmoid(design @ beta)
        gradient = design.T @ (weight * (y - p)) - ridge * beta
        hessian = (design * (weight * p * (1 - p))[:, None]).T @ design + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        beta = beta + np.clip(step, -4, 4)
        if np.abs(step).max() < 1e-8:
            break
    return beta


def log_loss(y: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """Return the log loss of each row, from its log-odds."""
    return np.logaddexp(0, margin) - y * margin


def _columns(chosen: Sequence[Term | Cross], x: np.ndarray) -> np.ndarray:
    if not chosen:
        return np.empty((len(x), 0))
    return np.concatenate([each.columns(x) for each in chosen], axis=1)
