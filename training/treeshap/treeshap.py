"""TreeShap: what each feature, or each group of features, adds to a tree model's margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError
from training.explanation import ExplanationFault
from training.treeshap.forest import Forest
from training.treeshap.kernel import SOUND, UNSOUND, seal, walk
from training.treeshap.tables import Tables

if TYPE_CHECKING:
    from lightgbm import Booster


class TreeShap:
    """Exact Shapley values of the raw margin, weighing the paths not taken by training rows.

    Parameters
    ----------
    booster
        A LightGBM Booster with numeric splits and one output, or its parsed text. A booster with a
        best iteration is explained up to it, as LightGBM predicts.
    groups
        Feature names of each group that plays as one. Groups are disjoint; a feature in none is its
        own player. Default: every feature is a player.

    Attributes
    ----------
    players
        Names of the columns of an answer, the base's left out: the groups, then the features in none.
    base
        Mean margin over the training rows.
    tables
        The tables that the kernel walks. Every call compares them with sums taken here.

    Raises
    ------
    InputError
        Categorical or linear trees, several outputs, an unknown feature or one in two groups.
    """

    def __init__(self, booster: Booster | Forest, groups: Mapping[str, Sequence[str]] | None = None) -> None:
        forest = booster if isinstance(booster, Forest) else Forest.parse(booster.model_to_string())
        self.players, player = _players(forest.features, groups or {})
        self.features = forest.features
        self.tables = Tables.compile(forest, player)
        self.base = float(self.tables.leaf[:, 1].sum())
        self._flat = tuple(table.reshape(-1) for table in vars(self.tables).values())
        self._seals = seal(*self._flat)
        self._tolerance = max(1e-9, 1e-13 * sum(float(np.abs(tree.value).max()) for tree in forest.trees))

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return (n, players + 1) in margin units, base last, for X (n, features) with NaN for missing.

        Raises
        ------
        InputError
            X has another number of columns.
        ExplanationFault
            As `explain`.
        """
        X = self._rows(X)
        out = np.empty((len(X), len(self.players) + 1))
        out[:, -1] = self.base
        self._walk(X, out)
        return out

    def explain(self, X: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Return contributions (n, players), the base, and the margin (n,) of the leaves really reached.

        Raises
        ------
        ExplanationFault
            The tables are not those that were loaded, or base and contributions miss the margin.
        """
        X = self._rows(X)
        out = np.empty((len(X), len(self.players)))
        return out, self.base, self._walk(X, out)

    def _rows(self, X: np.ndarray) -> np.ndarray:
        X = np.ascontiguousarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.features):
            raise InputError(
                f"rows of {len(self.features)} features are needed, the array given has shape {X.shape}",
                where="TreeShap",
            )
        return X

    def _walk(self, X: np.ndarray, out: np.ndarray) -> np.ndarray:
        margin = np.empty(len(X))
        verdict = walk(  # type: ignore[call-arg]  # numba's stub knows no arguments
            X, out, margin, *self._flat, self._seals, len(self.players), self.base, self._tolerance
        )
        if verdict == UNSOUND:
            raise ExplanationFault("base and contributions do not add up to the margin of the leaves reached")
        if verdict != SOUND:
            raise ExplanationFault(f"the explanation tables changed since they were loaded (part {verdict})")
        return margin


def _players(features: tuple[str, ...], groups: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the players and the player of every feature."""
    member: dict[str, str] = {}
    for group, names in groups.items():
        for name in names:
            if name not in features:
                raise InputError(f"no feature '{name}'", where=f"group '{group}'", given=name, known=features)
            if name in member:
                raise InputError(f"'{name}' is in group '{member[name]}' already", where=f"group '{group}'")
            member[name] = group
    alone = [name for name in features if name not in member]
    for name in alone:
        if name in groups:
            raise InputError("a feature outside the group has the group's name", where=f"group '{name}'")
    players = (*groups, *alone)
    column = {name: k for k, name in enumerate(players)}
    return players, np.array([column[member.get(name, name)] for name in features], np.int64)
