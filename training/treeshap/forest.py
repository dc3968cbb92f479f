"""LightGBM's model text as arrays, read without LightGBM: a damaged text raises instead of aborting the process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import InputError

ZERO = float(np.float32(1e-35))  # LightGBM's kZeroThreshold: |x| up to this is zero
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2


@dataclass(frozen=True)
class Tree:
    """One tree with m splits and m + 1 leaves; a child below zero is leaf ~child.

    Attributes
    ----------
    feature, threshold, missing, default_left
        (m,) a row goes left where its value is <= threshold; `missing` is LightGBM's missing type.
    left, right
        (m,) children. The root is split 0, or leaf 0 where m = 0.
    count, leaf_count
        (m,), (m + 1,) training rows, which weigh the paths not taken.
    value
        (m + 1,) leaf values in raw margin units, shrinkage included.
    """

    feature: np.ndarray
    threshold: np.ndarray
    missing: np.ndarray
    default_left: np.ndarray
    left: np.ndarray
    right: np.ndarray
    count: np.ndarray
    leaf_count: np.ndarray
    value: np.ndarray


@dataclass(frozen=True)
class Forest:
    """Trees whose reached leaves add up to the raw margin (of a random forest too: LightGBM's raw score is the sum)."""

    features: tuple[str, ...]
    trees: tuple[Tree, ...]

    @classmethod
    def parse(cls, text: str, where: str = "model text") -> Forest:
        """Read LightGBM's own format, version v4.

        Raises
        ------
        InputError
            Several outputs, categorical splits, linear leaves, or a text that is damaged or not LightGBM's.
        """
        head, *blocks = text.split("\n\nTree=")
        header = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
        if head.split("\n", 1)[0].strip() != "tree" or "feature_names" not in header:
            raise InputError("not a LightGBM model text", where=where)
        if "end of trees" not in text:
            raise InputError("the model text ends too early", where=where, remedy="save the model again")
        features = tuple(header["feature_names"].split(" "))
        outputs = int(header.get("num_tree_per_iteration", "1"))
        if outputs != 1:
            raise InputError(
                f"a multi-output model ({outputs} trees per iteration) cannot be explained as one margin",
                where=where,
                remedy="train one binary model per class",
            )
        trees = tuple(_tree(block, len(features), f"{where}, tree {k}") for k, block in enumerate(blocks))
        if len(trees) != len(header.get("tree_sizes", "").split()):
            raise InputError("the number of trees is not the number announced", where=where)
        return cls(features, trees)


def _tree(block: str, n_features: int, where: str) -> Tree:
    fields = dict(line.split("=", 1) for line in block.split("\n\n", 1)[0].splitlines()[1:] if "=" in line)

    def column(name: str, kind: Any, size: int) -> np.ndarray:
        try:
            found = np.array(fields[name].split(), dtype=kind)
        except (KeyError, ValueError, OverflowError):
            raise InputError(f"cannot read '{name}'", where=where, remedy="save the model again") from None
        if len(found) != size or np.isnan(found).any():
            raise InputError(f"'{name}' is damaged", where=where, remedy="save the model again")
        return found

    leaves, categories, linear = (
        int(column(name, np.int64, 1)[0]) if name in fields else 0 for name in ("num_leaves", "num_cat", "is_linear")
    )
    if categories:
        raise InputError(
            "categorical splits cannot be explained exactly", where=where, remedy="encode the column as numbers"
        )
    if linear:
        raise InputError("linear trees cannot be explained exactly", where=where, remedy="train with linear_tree=false")
    if leaves < 1:
        raise InputError("'num_leaves' is damaged", where=where, remedy="save the model again")
    m = leaves - 1
    kind = column("decision_type", np.int64, m) if m else np.zeros(0, np.int64)
    integers = {name: column(name, np.int64, m) if m else np.zeros(0, np.int64) for name in _INTEGERS}
    tree = Tree(
        feature=integers["split_feature"],
        threshold=column("threshold", np.float64, m) if m else np.zeros(0),
        missing=(kind >> 2) & 3,
        default_left=(kind & 2) > 0,
        left=integers["left_child"],
        right=integers["right_child"],
        count=integers["internal_count"],
        leaf_count=column("leaf_count", np.int64, leaves) if m else np.ones(1, np.int64),
        value=column("leaf_value", np.float64, leaves),
    )
    children, parents = np.concatenate([tree.left, tree.right]), np.tile(np.arange(m), 2)
    whole = np.array_equal(np.sort(children), np.concatenate([np.arange(-leaves, 0), np.arange(1, m)]))
    downward = (children[children >= 0] > parents[children >= 0]).all()
    if m and not (whole and downward and tree.feature.min() >= 0 and tree.feature.max() < n_features):
        raise InputError("children or features are damaged", where=where, remedy="save the model again")
    if not np.isfinite(tree.value).all():
        raise InputError("'leaf_value' is damaged", where=where, remedy="save the model again")
    if m and min(tree.count.min(), tree.leaf_count.min()) < 1:
        raise InputError(
            "a node that no training row reached has no weight in an explanation", where=where, remedy="train again"
        )
    return tree


_INTEGERS = ("split_feature", "left_child", "right_child", "internal_count")
