"""LinearModel: a logistic regression that explains itself, every column of a feature summed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from features.errors import InputError
from training.explanation import ExplanationFault
from training.models.logistic import Logistic, Term

TOLERANCE = 1e-9


@dataclass(frozen=True)
class LinearModel:
    """Contributions beta x (column - training mean), summed over the columns of a feature.

    Spline columns and the indicator of a missing value belong to their feature. Nothing interacts,
    so a clinical group's Shapley value is the sum of its members'.

    Attributes
    ----------
    logistic
        The fitted model: its means are those of the training rows, so the base is its intercept.
    groups
        Feature -> clinical group, in the order of the input.
    """

    logistic: Logistic
    groups: Mapping[str, str]
    used: tuple[str, ...] = field(init=False)
    _seal: bytes = field(init=False, compare=False, repr=False)
    kind = "linear"

    def __post_init__(self) -> None:
        names = tuple(self.groups)
        if any(not 0 <= term.place < len(names) for term in self.logistic.terms):
            raise InputError("a term stands at no place of the vector", where="linear model")
        object.__setattr__(
            self, "used", tuple(names[place] for place in sorted({t.place for t in self.logistic.terms}))
        )
        object.__setattr__(self, "_seal", self._sum())

    def explain(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Return contributions (n, features), of groups (n, groups), the base, and the margin (n,).

        Raises
        ------
        ExplanationFault
            A coefficient changed since the model was loaded, or base and contributions miss the margin.
        """
        if self._sum() != self._seal:
            raise ExplanationFault("the coefficients changed since they were loaded")
        model = self.logistic
        each = model.design(X) * model.coefficients
        contributions = np.zeros((len(X), len(self.groups)))
        start = 0
        for term in model.terms:
            width = 1 + max(0, len(term.knots) - 2) + term.flagged
            contributions[:, term.place] += each[:, start : start + width].sum(axis=1)
            start += width
        margin = model.margin(X)
        apart = np.abs(model.intercept + contributions.sum(axis=1) - margin)
        if not (apart <= TOLERANCE).all():
            raise ExplanationFault("base and contributions do not add up to the linear predictor")
        order = {group: k for k, group in enumerate(dict.fromkeys(self.groups.values()))}
        together = np.zeros((len(X), len(order)))
        for j, group in enumerate(self.groups.values()):
            together[:, order[group]] += contributions[:, j]
        return contributions, together, model.intercept, margin

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Return the linear predictor (n,)."""
        return self.logistic.margin(X)

    def rows(self, count: int) -> np.ndarray:
        """Return made-up rows (count, features) between the clipping bounds and past them, some values missing."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(count, len(self.groups)))
        for term in self.logistic.terms:
            rows[:, term.place] = term.lo + rng.uniform(-0.2, 1.2, count) * (term.hi - term.lo)
        rows[rng.random(rows.shape) < 0.2] = np.nan
        return rows

    def to_json(self) -> str:
        names, model = tuple(self.groups), self.logistic
        read = {
            "terms": [{"feature": names[term.place], **asdict(term)} for term in model.terms],
            "mean": model.mean.tolist(),
            "sd": model.sd.tolist(),
            "coefficients": model.coefficients.tolist(),
            "intercept": model.intercept,
            "penalty": model.penalty,
        }
        return json.dumps(read, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, groups: Mapping[str, str], where: str) -> LinearModel:
        """Read what to_json wrote.

        Raises
        ------
        InputError
            The text is not one, or its features are not the vector's.
        """
        names = tuple(groups)
        try:
            read: dict[str, Any] = json.loads(text)
            told = [term.pop("feature") for term in read["terms"]]
            terms = tuple(Term(**{**term, "knots": tuple(term["knots"])}) for term in read["terms"])
            mean, sd, beta = (np.array(read[name], np.float64) for name in ("mean", "sd", "coefficients"))
            model = Logistic(terms, mean, sd, beta, read["intercept"], read["penalty"])
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError("not a linear model", where=where) from None
        found = cls(model, groups)
        if told != [names[term.place] for term in terms]:
            raise InputError("its features are not the vector's, name by name and in order", where=where)
        return found

    def _sum(self) -> bytes:
        model = self.logistic
        told = hashlib.blake2b(repr((model.terms, model.intercept)).encode())
        for array in (model.mean, model.sd, model.coefficients):
            told.update(array.tobytes())
        return told.digest()
