# mypy: disable-error-code="no-untyped-def"
"""Leaves: the raw margin of LightGBM's trees alone, for ranking many rows where nothing is explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types

from training.treeshap.forest import MISSING_NAN, MISSING_ZERO, ZERO, Forest, Tree

BITS = 64
"""Leaves that a tree may have to be ruled out by bits."""


def _flat(kind: types.Type) -> types.Array:
    return types.Array(kind, 1, "C", readonly=True)


_REAL, _LONG, _MASK = _flat(types.float64), _flat(types.int64), _flat(types.uint64)
_ROWS = types.Array(types.float64, 2, "C", readonly=True)
_WALK = types.void(_ROWS, types.float64[::1], *(_LONG, _LONG, _REAL, _LONG, _LONG, _LONG, _LONG, _REAL))
_RULE = types.void(_ROWS, types.float64[::1], *(_MASK, _MASK, _REAL, _MASK, _MASK, _MASK, _MASK, _MASK, _MASK, _REAL))
"""Places without a sign, too: none need be asked whether it is below 0."""


@njit(_RULE, cache=True, nogil=True)
def _rule_out(X, out, asked, first, threshold, tree, left, nan_first, nan_tree, nan_left, start, value):
    """Add up the leaves that each row of X (n, features) reaches, without walking: QuickScorer (Lucchese et al. 2015).

    A row turns right at the splits of a feature whose threshold lies below its value: in ascending order, the first
    few. Each rules out the leaves to its left (``left`` has the other bits). What is reached is the leftmost leaf left.
    """
    there = np.empty(len(start), np.uint64)
    for row in range(len(X)):
        there[:] = ~np.uint64(0)
        for place in range(len(asked)):
            x = X[row, asked[place]]
            if np.isnan(x):
                for split in range(nan_first[place], nan_first[place + 1]):
                    there[nan_tree[split]] &= nan_left[split]
            else:
                for split in range(first[place], first[place + 1]):
                    if threshold[split] >= x:
                        break
                    there[tree[split]] &= left[split]
        total = 0.0
        for number in range(len(start)):
            lowest = there[number] & (~there[number] + np.uint64(1))
            leaf = 0
            leaf += 32 * (lowest & np.uint64(0xFFFFFFFF00000000) != 0)
            leaf += 16 * (lowest & np.uint64(0xFFFF0000FFFF0000) != 0)
            leaf += 8 * (lowest & np.uint64(0xFF00FF00FF00FF00) != 0)
            leaf += 4 * (lowest & np.uint64(0xF0F0F0F0F0F0F0F0) != 0)
            leaf += 2 * (lowest & np.uint64(0xCCCCCCCCCCCCCCCC) != 0)
            leaf += lowest & np.uint64(0xAAAAAAAAAAAAAAAA) != 0
            total += value[start[number] + leaf]
        out[row] = total


@njit(_WALK, cache=True, nogil=True)
def _walk(X, out, first, feature, threshold, missing, default_left, left, right, value):
    """Add up the leaves that each row of X (n, features) reaches, trees outermost so that one stays near."""
    out[:] = 0.0
    for tree in range(len(first) - 1):
        low = first[tree]
        splits = first[tree + 1] - low
        for row in range(len(X)):
            node = 0 if splits else -1
            while node >= 0:
                at = low + node
                x, kind = X[row, feature[at]], missing[at]
                if np.isnan(x) and kind != MISSING_NAN:
                    x = 0.0
                if (kind == MISSING_ZERO and abs(x) <= ZERO) or (kind == MISSING_NAN and np.isnan(x)):
                    node = left[at] if default_left[at] else right[at]
                else:
                    node = left[at] if x <= threshold[at] else right[at]
            out[row] += value[low + tree + ~node]


class Leaves:
    """Margins of a forest, equal to LightGBM's raw score.

    Parameters
    ----------
    forest
        Parsed model text.
    """

    def __init__(self, forest: Forest) -> None:
        bits = all(len(tree.value) <= BITS and not (tree.missing == MISSING_ZERO).any() for tree in forest.trees)
        self._kernel: Any = _rule_out if bits else _walk
        self._tables = _ruled(forest) if bits else self._walked(forest)

    @staticmethod
    def _walked(forest: Forest) -> tuple[np.ndarray, ...]:
        def joined(name: str, kind: type) -> np.ndarray:
            return np.ascontiguousarray(np.concatenate([getattr(tree, name) for tree in forest.trees]), dtype=kind)

        first = np.concatenate([[0], np.cumsum([len(tree.feature) for tree in forest.trees])]).astype(np.int64)
        whole = (joined(name, np.int64) for name in ("missing", "default_left", "left", "right"))
        return first, joined("feature", np.int64), joined("threshold", float), *whole, joined("value", float)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return (n,) raw margins of X (n, features), NaN for missing."""
        rows = np.ascontiguousarray(X, dtype=np.float64)
        out = np.empty(len(rows))
        self._kernel(rows, out, *self._tables)
        return out


def _ruled(forest: Forest) -> tuple[np.ndarray, ...]:
    """Return the splits by feature and threshold, and those at which a missing value turns right, as `_rule_out` reads.

    Where nothing was missing in training, NaN is zero, as LightGBM has it.
    """
    splits: list[tuple[int, float, int, int, bool]] = []
    values: list[np.ndarray] = []
    for number, tree in enumerate(forest.trees):
        order, left = _leftward(tree)
        values.append(tree.value[order])
        for split in range(len(tree.feature)):
            threshold = float(tree.threshold[split])
            stays = tree.default_left[split] if tree.missing[split] == MISSING_NAN else threshold >= 0
            splits.append((int(tree.feature[split]), threshold, number, left[split], bool(stays)))
    splits.sort(key=lambda each: each[:3])
    asked = np.array(sorted({feature for feature, *_ in splits}), dtype=np.uint64)

    def laid(chosen: list[tuple[int, float, int, int, bool]]) -> tuple[np.ndarray, ...]:
        ends = np.searchsorted([each[0] for each in chosen], asked, side="right")
        trees, masks = (np.array([each[part] for each in chosen], dtype=np.uint64) for part in (2, 3))
        return np.concatenate([[0], ends]).astype(np.uint64), trees, masks

    first, trees, masks = laid(splits)
    missing = laid([each for each in splits if not each[4]])
    start = np.cumsum([0, *(len(each) for each in values[:-1])], dtype=np.uint64)
    thresholds = np.array([each[1] for each in splits], dtype=float)
    return asked, first, thresholds, trees, masks, *missing, start, np.concatenate(values).astype(float)


def _leftward(tree: Tree) -> tuple[list[int], list[int]]:
    """Return the leaves from left to right, and for each split the bits of those that are not to its left."""
    order: list[int] = []
    left = [0] * len(tree.feature)
    below: list[tuple[int, int | None]] = [(0 if len(tree.feature) else -1, None)]
    while below:
        node, begun = below.pop()
        if node < 0:
            order.append(~node)
        elif begun is None:
            below += [(int(tree.right[node]), None), (node, len(order)), (int(tree.left[node]), None)]
        else:
            left[node] = (2**BITS - 1) & ~((1 << len(order)) - (1 << begun))
    return order, left
