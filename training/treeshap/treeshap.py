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
    casts
        Each says who plays: feature names of each group that plays as one. Groups are disjoint; a
        feature in none is its own player. By default one cast in which every feature is a player.
        Several casts are explained in one walk, their columns side by side.

    Attributes
    ----------
    players
        Names of the columns of an answer, the base's left out: of each cast its groups, then the
        features in none.
    base
        Mean margin over the training rows.
    tables
        The tables that the kernel walks. Every call compares them with sums taken here.

    Raises
    ------
    InputError
        Categorical or linear trees, several outputs, an unknown feature or one in two groups.
    """

    def __init__(self, booster: Booster | Forest, *casts: Mapping[str, Sequence[str]]) -> None:
        forest = booster if isinstance(booster, Forest) else Forest.parse(booster.model_to_string())
        named, columns = zip(*(_players(forest.features, groups) for groups in casts or ({},)), strict=True)
        self._bounds = np.cumsum([0, *map(len, named)])
        self.players: tuple[str, ...] = sum(named, ())
        self.features = forest.features
        self.tables = Tables.compile(forest, np.stack(columns) + self._bounds[:-1, None])
        self.base = float(self.tables.leaf[:, 1].sum())
        flat = [table.reshape(-1) for table in vars(self.tables).values()]
        self._seals = seal(len(named), *flat)
        told = [(each.ctypes.data, len(each)) for each in (*flat, self._seals, self._bounds)]
        self.words = np.array([len(self.features), *(word for each in told for word in each)], np.int64)
        self.figures = (self.base, max(1e-9, 1e-13 * sum(float(np.abs(tree.value).max()) for tree in forest.trees)))

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return (n, players + 1) in margin units, base last, for X (n, features) with NaN for missing.

        Raises
        ------
        InputError
            X has another number of columns.
        ExplanationFault
            As `explain`.
        """
        contributions, base, _ = self.explain(X)
        return np.hstack([contributions, np.full((len(contributions), 1), base)])

    def explain(self, X: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
        """Return contributions (n, players), the base, and the margin (n,) of the leaves really reached.

        Raises
        ------
        ExplanationFault
            The tables are not those that were loaded, or base and contributions miss the margin.
        """
        ((contributions, margin),) = explain((self,), (X,))
        return contributions, self.base, margin

    def rows(self, X: np.ndarray) -> np.ndarray:
        """Return rows as the kernel reads them.

        Raises
        ------
        InputError
            X has another number of columns.
        """
        X = np.ascontiguousarray(X, dtype=np.float64)
        if X.ndim != 2 or X.shape[1] != len(self.features):
            raise InputError(
                f"rows of {len(self.features)} features are needed, the array given has shape {X.shape}",
                where="TreeShap",
            )
        return X


def explain(kernels: Sequence[TreeShap], rows: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Explain rows of several models in one call of the kernel.

    Parameters
    ----------
    rows
        Of each model an (n, features) array; their numbers of rows may differ.

    Returns
    -------
    list
        Of each model contributions (n, players) and the margin (n,) of the leaves really reached.

    Raises
    ------
    InputError
        Rows of another number of columns.
    ExplanationFault
        As `TreeShap.explain`; its ``place`` says which of the models it is.
    """
    if not kernels:
        return []
    given = [kernel.rows(X) for kernel, X in zip(kernels, rows, strict=True)]
    counts = np.array([len(X) for X in given], np.int64)
    shapes = [(len(X), len(kernel.players)) for kernel, X in zip(kernels, given, strict=True)]
    whole = given[0].reshape(-1) if len(given) == 1 else np.concatenate([X.reshape(-1) for X in given])
    out, margin = np.empty(sum(n * players for n, players in shapes)), np.empty(int(counts.sum()))
    words = np.concatenate([kernel.words for kernel in kernels])
    figures = np.array([kernel.figures for kernel in kernels]).reshape(-1)
    found, a, b = [], 0, 0
    for place, verdict in enumerate(walk(counts, words, figures, whole, out, margin).tolist()):
        if verdict == UNSOUND:
            raise ExplanationFault("base and contributions do not add up to the margin of the leaves reached", place)
        if verdict != SOUND:
            raise ExplanationFault(f"the explanation tables changed since they were loaded (part {verdict})", place)
        n, players = shapes[place]
        found.append((out[a : a + n * players].reshape(n, players), margin[b : b + n]))
        a, b = a + n * players, b + n
    return found


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
