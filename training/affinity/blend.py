"""Blend: how the trees' margin and one plain column make the score that orders, elected on held-out windows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from features.errors import InputError
from training.affinity.columns import columns, places
from training.affinity.judged import ndcg

BLEND = "blend.json"
"""The blend in the artefact."""
SHARES = (0.25, 0.5, 1.0)
"""Weights that are tried, in standard deviations of the margin for one of the column."""
ENOUGH = 30
"""User-days of true newcomers from which they are judged without the pretended ones."""


@dataclass(frozen=True)
class Mix:
    """``trees`` (0 or 1) of the margin, plus ``weight`` of the column's value; no column where the weight is 0."""

    trees: float = 1.0
    column: str = ""
    weight: float = 0.0


@dataclass(frozen=True)
class Blend:
    """One mix for those who read before, one for those who never did."""

    readers: Mix = Mix()
    newcomers: Mix = Mix()

    def score(self, margin: np.ndarray, rows: np.ndarray, half_lives: tuple[float, ...]) -> np.ndarray:
        """Return (n,) what orders the rows (n, columns) whose trees say ``margin``."""
        return self.trees(rows, half_lives) * margin + self.added(rows, half_lives).sum(axis=1)

    def trees(self, rows: np.ndarray, half_lives: tuple[float, ...]) -> np.ndarray:
        """Return (n,) how much of the margin counts: 0 or 1."""
        return np.where(_new(rows, half_lives), self.newcomers.trees, self.readers.trees)

    def added(self, rows: np.ndarray, half_lives: tuple[float, ...]) -> np.ndarray:
        """Return (n, 2) what the columns add to the margin: that of readers, that of newcomers."""
        every, new = places(half_lives), _new(rows, half_lives)
        found = np.zeros((len(rows), 2))
        for place, (mix, mine) in enumerate(((self.readers, ~new), (self.newcomers, new))):
            if mix.weight:
                found[mine, place] = mix.weight * rows[mine, every[mix.column]]
        return found

    def groups(self, half_lives: tuple[float, ...]) -> tuple[str, str]:
        """Return the groups that the two columns belong to, "" for none."""
        group = {name: group for name, group, *_ in columns(half_lives)}
        return group.get(self.readers.column, ""), group.get(self.newcomers.column, "")

    def text(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def of(text: str) -> Blend:
        """Read what `text` wrote.

        Raises
        ------
        InputError
            It is something else.
        """
        try:
            told = json.loads(text)
            return Blend(Mix(**told["readers"]), Mix(**told["newcomers"]))
        except (ValueError, KeyError, TypeError):
            raise InputError("does not hold a blend", where=BLEND, remedy="train again") from None


TREES = Blend()
"""The margin alone."""


@dataclass(frozen=True)
class Day:
    """One held-out user-day; ``margin`` is that of trees that have not seen it, see `ranker.Sample` for the rest."""

    user: str
    rows: np.ndarray
    opened: np.ndarray
    margin: np.ndarray
    pretended: bool = False


def elect(days: Sequence[Day], half_lives: tuple[float, ...]) -> Blend:
    """Return the blend for held-out user-days: trees, unless something else is better by over one standard error.

    First a column (popularity at a half-life, newest first) beside the trees, then a column alone. Where few
    user-days are held out chance picks among a dozen, so what was not shown to be better is left. Newcomers are judged
    by themselves where there are enough, else with the pretended ones.
    """
    new = [day for day in days if _new(day.rows, half_lives)[0]]
    old = [day for day in days if not _new(day.rows, half_lives)[0]]
    true = [day for day in new if not day.pretended]
    return Blend(_elected(old, half_lives), _elected(true if len(true) >= ENOUGH else new, half_lives))


def _elected(days: Sequence[Day], half_lives: tuple[float, ...]) -> Mix:
    if not days:
        return Mix()
    every = places(half_lives)
    alone = [Mix(0.0, f"popular_{each:g}h", 1.0) for each in half_lives] + [Mix(0.0, "age", -1.0)]
    users, user = np.unique([day.user for day in days], return_inverse=True)

    def worth(mix: Mix) -> np.ndarray:
        place = every[mix.column] if mix.column else 0
        return np.array(
            [
                ndcg(
                    np.argsort(-(mix.trees * day.margin + mix.weight * day.rows[:, place]), kind="stable"),
                    np.flatnonzero(day.opened),
                )
                for day in days
            ]
        )

    def better(one: np.ndarray, other: np.ndarray) -> bool:
        gain = np.bincount(user, weights=one - other, minlength=len(users))
        error = float(np.sqrt(((gain - gain.mean()) ** 2).sum())) / len(days)
        return bool(gain.sum() / len(days) > error)

    simple, theirs = _best(alone, worth)
    place = every[simple.column]
    unit = np.std(np.concatenate([day.margin for day in days])) / max(
        float(np.std(np.concatenate([day.rows[:, place] for day in days]))), 1e-12
    )
    mixed = [Mix(1.0, simple.column, float(share * unit * np.sign(simple.weight))) for share in SHARES]
    chosen, ours = Mix(), worth(Mix())
    for mix, its in (_best(mixed, worth), (simple, theirs)):
        if better(its, ours):
            chosen, ours = mix, its
    return chosen


def _best(mixes: Sequence[Mix], worth: Callable[[Mix], np.ndarray]) -> tuple[Mix, np.ndarray]:
    judged = [worth(mix) for mix in mixes]
    best = int(np.argmax([each.mean() for each in judged]))
    return mixes[best], judged[best]


def _new(rows: np.ndarray, half_lives: tuple[float, ...]) -> np.ndarray:
    return np.asarray(rows[:, places(half_lives)["history"]] == 0)
