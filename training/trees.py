"""TreeModel: boosted trees that score and explain themselves from LightGBM's text, without LightGBM."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from features.errors import InputError
from training.treeshap import TreeShap, explain
from training.treeshap.forest import Forest
from training.treeshap.leaves import Leaves

FILE = "model.txt"


@dataclass(frozen=True)
class TreeModel:
    """A forest under one kernel with two casts: features as players, and clinical groups as players.

    Attributes
    ----------
    text
        LightGBM's model text.
    groups
        Feature -> clinical group, in the order of the input; the text's features are the same.
    """

    text: str
    groups: Mapping[str, str]
    kernel: TreeShap = field(init=False, compare=False, repr=False)
    used: tuple[str, ...] = field(init=False)
    kind = "trees"

    def __post_init__(self) -> None:
        forest = Forest.parse(self.text, FILE)
        if forest.features != tuple(self.groups):
            raise InputError("its features are not the vector's, name by name and in order", where=FILE)
        split_on = {int(feature) for tree in forest.trees for feature in tree.feature}
        members: dict[str, list[str]] = {}
        for name, group in self.groups.items():
            members.setdefault(group, []).append(name)
        object.__setattr__(self, "used", tuple(name for j, name in enumerate(forest.features) if j in split_on))
        object.__setattr__(self, "kernel", TreeShap(forest, {}, members))

    def explain(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Return contributions (n, features), of groups (n, groups), the base, and the raw margin (n,).

        Raises
        ------
        ExplanationFault
            As TreeShap.
        """
        return self.parted(*explain((self.kernel,), (X,))[0])

    def parted(self, found: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Return what the kernel found (n, features + groups) as `explain` does."""
        features = len(self.groups)
        return found[:, :features], found[:, features:], self.kernel.base, margin

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Return the raw margin (n,) of the leaves reached."""
        return self._leaves(X)

    @functools.cached_property
    def _leaves(self) -> Leaves:
        return Leaves(Forest.parse(self.text, FILE))

    def rows(self, count: int) -> np.ndarray:
        """Return made-up rows (count, features) around the thresholds, some values missing."""
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(count, len(self.groups)))
        for tree in Forest.parse(self.text, FILE).trees:
            near = rng.integers(count, size=len(tree.feature))
            rows[near, tree.feature] = np.where(np.isfinite(tree.threshold), tree.threshold, 0.0)
        rows[rng.random(rows.shape) < 0.2] = np.nan
        return rows
