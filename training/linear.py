"""LinearModel: a logistic regression that explains itself, every column of a feature summed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from features.errors import InputError
from training.explanation import ExplanationFault, by_group
from training.models.logistic import Cross, Logistic, Term

TOLERANCE = 1e-9


@dataclass(frozen=True)
class LinearModel:
    """Contributions beta x (column - training mean), summed over the columns of a feature.

    Spline columns and the indicator of a missing value belong to their feature; an interaction is
    shared equally by its two. So a clinical group's contribution is the sum of its members'.

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
        places = sorted({place for term in self._parts for place in _places(term)})
        if places and not 0 <= places[0] <= places[-1] < len(names):
            raise InputError("a term stands at no place of the vector", where="linear model")
        object.__setattr__(self, "used", tuple(names[place] for place in places))
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
        for part in self._parts:
            places, together = _places(part), each[:, start : start + part.width].sum(axis=1)
            for place in places:
                contributions[:, place] += together / len(places)
            start += part.width
        margin = model.margin(X)
        apart = np.abs(model.intercept + contributions.sum(axis=1) - margin)
        if not (apart <= TOLERANCE).all():
            raise ExplanationFault("base and contributions do not add up to the linear predictor")
        return contributions, by_group(contributions, self.groups), model.intercept, margin

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Return the linear predictor (n,)."""
        return self.logistic.margin(X)

    def rows(self, count: int) -> np.ndarray:
        """Return made-up rows (count, features) between the clipping bounds and past them, some values missing."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(count, len(self.groups)))
        sides = [side for cross in self.logistic.crosses for side in (cross.first, cross.second)]
        for term in (*sides, *self.logistic.terms):
            rows[:, term.place] = term.lo + rng.uniform(-0.2, 1.2, count) * (term.hi - term.lo)
        rows[rng.random(rows.shape) < 0.2] = np.nan
        return rows

    def to_json(self) -> str:
        names, model = tuple(self.groups), self.logistic
        read = {
            "terms": [{"feature": names[term.place], **asdict(term)} for term in model.terms],
            "crosses": [
                [{"feature": names[side.place], **asdict(side)} for side in (cross.first, cross.second)]
                for cross in model.crosses
            ],
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
            told = [*read["terms"], *(side for cross in read["crosses"] for side in cross)]
            features = [term.pop("feature") for term in told]
            terms = tuple(_term(term) for term in read["terms"])
            crosses = tuple(Cross(_term(first), _term(second)) for first, second in read["crosses"])
            mean, sd, beta = (np.array(read[name], np.float64) for name in ("mean", "sd", "coefficients"))
            model = Logistic(terms, mean, sd, beta, read["intercept"], read["penalty"], crosses)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InputError("not a linear model", where=where) from None
        found = cls(model, groups)
        if features != [names[term["place"]] for term in told]:
            raise InputError("its features are not the vector's, name by name and in order", where=where)
        return found

    @property
    def _parts(self) -> tuple[Term | Cross, ...]:
        return (*self.logistic.terms, *self.logistic.crosses)

    def _sum(self) -> bytes:
        model = self.logistic
        told = hashlib.blake2b(repr((self._parts, model.intercept)).encode())
        for array in (model.mean, model.sd, model.coefficients):
            told.update(array.tobytes())
        return told.digest()


def _places(part: Term | Cross) -> tuple[int, ...]:
    return (part.place,) if isinstance(part, Term) else (part.first.place, part.second.place)


def _term(read: Mapping[str, Any]) -> Term:
    return Term(**{**read, "knots": tuple(read["knots"])})
