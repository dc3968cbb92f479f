"""A point score as a model that is served and explains itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from features.errors import InputError
from training.explanation import ExplanationFault, by_group
from training.models.points import Cuts, Flag, Item, Log, PointScore

TOLERANCE = 1e-9
_KINDS: dict[str, type[Cuts] | type[Log] | type[Flag]] = {"cuts": Cuts, "log": Log, "flag": Flag}


@dataclass(frozen=True)
class Points:
    """A point score fitted to nothing but its means over the training rows.

    A line whose value is not known counts its mean, so that it moves no score.

    Attributes
    ----------
    names
        The columns of the rows.
    means
        Mean points of each line, (a man's, a woman's): one and the same where its table is one for both.
        Where it is not, the points of a man and of a woman are not on one scale (a constant of their sex
        makes up for it), so that each is held against the own.
    base
        Mean of the sum over the training rows.
    """

    score: PointScore
    names: tuple[str, ...]
    means: tuple[tuple[float, float], ...]
    base: float
    kind = "points"

    @classmethod
    def fitted(cls, score: PointScore, x: np.ndarray, names: tuple[str, ...]) -> Points:
        """Take the means over (n, k) rows.

        Raises
        ------
        InputError
            The rows lack a feature of the score, or never know it.
        """
        for name in score.needs:
            if name not in names:
                raise InputError(f"reads '{name}', which no column holds", where=f"score {score.name}", known=names)
        columns = {name: x[:, names.index(name)] for name in score.needs}
        parts = score.parts(columns)
        if any(np.isnan(points).all() for points in parts.values()):
            raise InputError("a line's value is never known here", where=f"score {score.name}")
        male = columns[score.sex]
        means = tuple(_means(item, parts[item.feature], male) for item in score.items)
        known = ~np.isnan(male)
        level = np.where(male[known] > 0, *(_level(score, means, sex) for sex in (0, 1)))
        lines = [np.nan_to_num(_less(parts[item.feature], mean, male)) for item, mean in zip(score.items, means)]
        return cls(score, names, means, float(level.mean() + np.sum(lines, axis=0)[known].mean()))

    def parts(self, x: np.ndarray) -> np.ndarray:
        """Return (n, 1 + lines) points less their means, 0 where not known: of the sex, then line by line."""
        score = self.score
        found = score.parts({name: x[:, self.names.index(name)] for name in score.needs})
        male = x[:, self.names.index(score.sex)]
        sex = np.where(male > 0, *(_level(score, self.means, each) for each in (0, 1))) - self.base
        lines = [_less(found[item.feature], mean, male) for item, mean in zip(score.items, self.means)]
        return np.nan_to_num(np.stack([np.where(np.isnan(male), np.nan, sex), *lines], axis=1))

    @property
    def read(self) -> tuple[str, ...]:
        """The feature of each column of :meth:`parts`."""
        return (self.score.sex, *(item.feature for item in self.score.items))

    def margin(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.base + self.parts(x).sum(axis=1))


def _level(score: PointScore, means: tuple[tuple[float, float], ...], sex: int) -> float:
    """Return the points of a man (0) or a woman (1) of whom every line is the mean."""
    return score.sexes[sex] + sum(mean[sex] for mean in means)


def _less(points: np.ndarray, mean: tuple[float, float], male: np.ndarray) -> np.ndarray:
    return np.asarray(points - np.where(male > 0, *mean))


def _means(item: Item, points: np.ndarray, male: np.ndarray) -> tuple[float, float]:
    """Return the mean points of men and of women; of everybody where the table is one, or one sex is never known."""
    everybody = float(np.nanmean(points))
    one = item.male == item.female and (item.treated is None or item.treated[0] == item.treated[1])
    men, women = (points[mask & ~np.isnan(points)] for mask in (male > 0, male <= 0))
    if one or not len(men) or not len(women):
        return everybody, everybody
    return float(men.mean()), float(women.mean())


@dataclass(frozen=True)
class PointModel:
    """Contributions: points less the training mean, on the calibration's scale.

    Attributes
    ----------
    points
        The score.
    groups
        Feature -> clinical group, in the order of the input.
    """

    points: Points
    groups: Mapping[str, str]
    used: tuple[str, ...] = field(init=False)
    _seal: str = field(init=False, compare=False, repr=False)
    kind = "points"

    def __post_init__(self) -> None:
        if tuple(self.groups) != self.points.names:
            raise InputError("its features are not the vector's, name by name and in order", where="point score")
        object.__setattr__(self, "used", tuple(name for name in self.groups if name in self.points.score.needs))
        object.__setattr__(self, "_seal", self._sum())

    def explain(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Return contributions (n, features), of groups (n, groups), the base, and the margin (n,).

        Raises
        ------
        ExplanationFault
            The table changed since the model was loaded, or base and contributions miss the margin.
        """
        if self._sum() != self._seal:
            raise ExplanationFault("the points changed since they were loaded")
        base, margin = self.points.base, self.margin(X)
        contributions = np.zeros((len(X), len(self.groups)))
        for name, points in zip(self.points.read, self.points.parts(X).T):
            contributions[:, self.points.names.index(name)] += points
        if not (np.abs(base + contributions.sum(axis=1) - margin) <= TOLERANCE).all():
            raise ExplanationFault("base and contributions do not add up to the points")
        return contributions, by_group(contributions, self.groups), base, margin

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Return the points (n,)."""
        return self.points.margin(X)

    def rows(self, count: int) -> np.ndarray:
        """Return made-up rows (count, features), some values missing."""
        rng = np.random.default_rng(0)
        rows = rng.uniform(0, 150, (count, len(self.groups)))
        rows[:, self.points.names.index(self.points.score.sex)] = rng.integers(0, 2, count)
        rows[rng.random(rows.shape) < 0.1] = np.nan
        return rows

    def to_json(self) -> str:
        score = self.points.score
        told = {name: value for name, value in asdict(score).items() if name != "items"}
        lines = [
            {
                "feature": item.feature,
                "male": _told(item.male),
                "female": _told(item.female),
                "treatment": item.treatment,
                "treated": [_told(each) for each in item.treated] if item.treated else None,
            }
            for item in score.items
        ]
        points = {"means": self.points.means, "base": self.points.base}
        return json.dumps({"score": told, "lines": lines, **points}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, groups: Mapping[str, str], where: str) -> PointModel:
        """Read what to_json wrote.

        Raises
        ------
        InputError
            The text is not one, or its features are not the vector's.
        """
        try:
            read: dict[str, Any] = json.loads(text)
            lines = tuple(
                Item(
                    line["feature"],
                    _read(line["male"]),
                    _read(line["female"]),
                    line["treatment"],
                    (_read(line["treated"][0]), _read(line["treated"][1])) if line["treated"] else None,
                )
                for line in read["lines"]
            )
            told = {**read["score"], "sexes": tuple(read["score"]["sexes"]), "ages": tuple(read["score"]["ages"])}
            means = tuple((float(man), float(woman)) for man, woman in read["means"])
            return cls(Points(PointScore(items=lines, **told), tuple(groups), means, float(read["base"])), groups)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError("not a point score", where=where) from None

    def _sum(self) -> str:
        return hashlib.blake2b(repr((self.points.score, self.points.means, self.points.base)).encode()).hexdigest()


def _told(how: Cuts | Log | Flag) -> dict[str, Any]:
    return {"kind": type(how).__name__.lower(), **asdict(how)}


def _read(told: dict[str, Any]) -> Cuts | Log | Flag:
    values: dict[str, Any] = {
        name: tuple(each) if isinstance(each, list) else each for name, each in told.items() if name != "kind"
    }
    return _KINDS[told["kind"]](**values)
