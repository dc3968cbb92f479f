"""Point scores: what a published table adds up, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.errors import InputError


@dataclass(frozen=True)
class Cuts:
    """Points by interval of a value: below ``cuts[0]`` the first, from ``cuts[i - 1]`` the i-th.

    ``above`` makes a cut belong to the interval below it (a table that says 'over 30').
    """

    cuts: tuple[float, ...]
    points: tuple[float, ...]
    above: bool = False

    def __post_init__(self) -> None:
        if len(self.points) != len(self.cuts) + 1 or list(self.cuts) != sorted(self.cuts):
            raise InputError("cuts rise, and points are one more", where="point score")

    def of(self, value: np.ndarray) -> np.ndarray:
        """Return the (n,) points; NaN where the value is null."""
        place = np.searchsorted(self.cuts, value, side="left" if self.above else "right")
        return np.where(np.isnan(value), np.nan, np.array(self.points)[place])


@dataclass(frozen=True)
class Log:
    """A coefficient on the natural logarithm of a value times a unit's factor."""

    coefficient: float
    factor: float = 1.0

    def of(self, value: np.ndarray) -> np.ndarray:
        """Return the (n,) product; NaN where the value is null or not above 0."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(value > 0, self.coefficient * np.log(value * self.factor), np.nan)


@dataclass(frozen=True)
class Flag:
    """Points where an indicator holds."""

    points: float

    def of(self, value: np.ndarray) -> np.ndarray:
        """Return the (n,) points; NaN where the value is null."""
        return np.where(np.isnan(value), np.nan, np.where(value > 0, self.points, 0.0))


@dataclass(frozen=True)
class Item:
    """One line of a table.

    Parameters
    ----------
    feature
        What it reads.
    male, female
        How a man's, a woman's value gives points.
    treated
        The two for people on treatment, where the table parts them; ``treatment`` is then the
        indicator that parts them.
    """

    feature: str
    male: Cuts | Log | Flag
    female: Cuts | Log | Flag
    treatment: str = ""
    treated: tuple[Cuts | Log | Flag, Cuts | Log | Flag] | None = None


@dataclass(frozen=True)
class PointScore:
    """A published score.

    Parameters
    ----------
    name, source
        What it is called, where it was published.
    items
        Its lines.
    sex
        Feature that is 1 for men, 0 for women.
    sexes
        Points of a man and of a woman beside the lines (a constant for each sex, such as the
        logarithm of the baseline hazard less the mean).
    ages
        Ages that it was made for.
    survival
        The points are a log hazard ratio: the risk is 1 - exp(-exp(points)).
    """

    name: str
    source: str
    items: tuple[Item, ...]
    sex: str
    sexes: tuple[float, float]
    ages: tuple[float, float]
    survival: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """Features that it reads, each once, sex first."""
        named = [name for item in self.items for name in (item.feature, item.treatment) if name]
        return tuple(dict.fromkeys((self.sex, *named)))

    def parts(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the (n,) points of every feature, NaN where it is not known; a treatment counts with its item."""
        male = columns[self.sex]
        found = {self.sex: _by_sex(male, np.full(len(male), self.sexes[0]), np.full(len(male), self.sexes[1]))}
        for item in self.items:
            value = columns[item.feature]
            points = _by_sex(male, item.male.of(value), item.female.of(value))
            if item.treated:
                man, woman = item.treated
                on = np.nan_to_num(columns[item.treatment], nan=0.0) > 0
                points = np.where(on, _by_sex(male, man.of(value), woman.of(value)), points)
            found[item.feature] = found.get(item.feature, 0.0) + points
        return found

    def points(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the (n,) sum, NaN where any line is not known."""
        return np.asarray(np.sum(list(self.parts(columns).values()), axis=0))

    def risk(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the (n,) published risk of a survival score.

        Raises
        ------
        InputError
            The score gives points alone.
        """
        if not self.survival:
            raise InputError(f"{self.name} gives points, not a risk", where="point score", remedy="calibrate it")
        return np.asarray(1 - np.exp(-np.exp(self.points(columns))))


def _by_sex(male: np.ndarray, man: np.ndarray, woman: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(male), np.nan, np.where(male > 0, man, woman))
