# mypy: disable-error-code="no-untyped-def,call-arg"
"""A forest and its casts of players as the flat tables that the kernel walks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numba import njit, types

from training.treeshap.forest import MISSING_NONE, MISSING_ZERO, Forest
from training.treeshap.lanes import WIDTH


@dataclass(frozen=True)
class Tables:
    """What the kernel reads, tree after tree, splits in preorder and leaves from left to right.

    A split's two edges stand side by side (left, right), so that the edge a row takes is found by
    adding its bit. Tree k has splits first[k]:first[k + 1] and leaves first[k] + k : first[k + 1] + k + 1.

    Attributes
    ----------
    first
        (trees + 1,) where each tree's splits begin.
    rule
        (trees, casts, 2) first block of quadrature nodes and the number of blocks.
    nodes
        (blocks, 3, 8) per block 1 - t, t and the weights of eight Gauss-Legendre nodes t on (0, 1).
    column
        (columns, 2) feature of a prepared column, and how a missing value stands in it: bit 0 it
        stays NaN, which goes right, bit 1 zero is missing too.
    threshold
        (splits,) left where the prepared value is <= threshold.
    place
        (splits, 3) prepared column, left child, right child (a split of the tree counted from its
        first, or m + leaf).
    asked
        (splits, casts, 2) player, and the edge (1 + 2 x split + side) nearest above that asks the same
        player, or 0.
    inverse
        (splits, casts, 2) 1 / z of either edge: z is the product of the cover ratios of the player's
        splits from the root to that edge.
    leaf
        (leaves, 2) value, and value x cover / root cover.
    """

    first: np.ndarray
    rule: np.ndarray
    nodes: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    place: np.ndarray
    asked: np.ndarray
    inverse: np.ndarray
    leaf: np.ndarray

    @classmethod
    def compile(cls, forest: Forest, players: np.ndarray) -> Tables:
        """Lay out the forest; ``players`` (casts, features) is the column of the answer each feature adds to."""
        trees, casts = forest.trees, len(players)
        first = np.cumsum([0, *(len(tree.feature) for tree in trees)], dtype=np.int64)
        splits, leaves = int(first[-1]), int(first[-1]) + len(trees)

        def every(name: str, kind: type) -> np.ndarray:
            return np.concatenate([np.empty(0, kind), *(getattr(tree, name) for tree in trees)]).astype(kind)

        feature, threshold, missing = every("feature", np.int64), every("threshold", float), every("missing", np.int64)
        left = np.where(missing == MISSING_NONE, threshold >= 0.0, every("default_left", np.bool_))
        column, prepared = np.unique(4 * feature + ~left + 2 * (missing == MISSING_ZERO), return_inverse=True)
        place, leaf = np.empty((splits, 3), np.int32), np.empty((leaves, 2))
        asked, inverse = np.empty((splits, casts, 2), np.int32), np.empty((splits, casts, 2))
        met, order = np.zeros((splits, casts), np.int64), np.empty(splits, np.int64)
        _lay(
            first,
            prepared.astype(np.int64),
            np.ascontiguousarray(players[:, feature].T, np.int64),
            *(every(name, np.int64) for name in ("left", "right", "count", "leaf_count")),
            every("value", float),
            *(order, place, asked, inverse, leaf, met),
        )
        depths = np.array([met[a:b].max(axis=0, initial=0) for a, b in pairwise(first)]).reshape(-1, casts)
        blocks = np.maximum(1, -(-depths // (2 * WIDTH)))
        rules = np.unique(blocks)
        starts = np.cumsum([0, *rules])[np.searchsorted(rules, blocks)]
        return cls(
            first=first,
            rule=np.stack([starts, blocks], axis=-1).astype(np.int32),
            nodes=np.concatenate([np.zeros((0, 3, WIDTH)), *map(_gauss, rules.tolist())]),
            column=np.stack([column // 4, column % 4], axis=-1).astype(np.int32),
            threshold=threshold[order],
            place=place,
            asked=asked,
            inverse=inverse,
            leaf=leaf,
        )


def _gauss(blocks: int) -> np.ndarray:
    """Return so many blocks of eight nodes; they integrate a path of 16 players a block exactly."""
    t, weight = np.polynomial.legendre.leggauss(blocks * WIDTH)
    t = (1 + t) / 2
    return np.stack([1 - t, t, weight / 2]).reshape(3, blocks, WIDTH).swapaxes(0, 1)


_LONGS, _REALS = types.int64[::1], types.float64[::1]
_SHORTS = types.Array(types.int32, 2, "C")
_CASTS = types.Array(types.int32, 3, "C")
_EDGES = types.Array(types.float64, 3, "C")
_PLAYERS = types.Array(types.int64, 2, "C")
_LEAVES = types.Array(types.float64, 2, "C")


@njit(
    types.void(
        *(_LONGS, _LONGS, _PLAYERS, _LONGS, _LONGS, _LONGS, _LONGS, _REALS),
        *(_LONGS, _SHORTS, _CASTS, _EDGES, _LEAVES, _PLAYERS),
    ),
    cache=True,
)
def _lay(first, column, player, left, right, count, leaf_count, value, order, place, asked, inverse, leaf, met):
    """Number each tree's splits in preorder and fill the tables of them.

    Parameters
    ----------
    first
        (trees + 1,) where each tree's splits begin.
    column, player, left, right, count
        Of each split as LightGBM numbers it: prepared column, (splits, casts) players, children, cover.
    leaf_count, value
        Of each leaf as LightGBM numbers it.
    order
        (splits,) is filled with the place among all splits of the one that stands here.
    place, asked, inverse, leaf
        As the tables of these names.
    met
        (splits, casts) is filled with the players asked from the root down to a split.
    """
    casts = asked.shape[1]
    for k in range(len(first) - 1):
        low, m = first[k], first[k + 1] - first[k]
        leaves = low + k
        nodes, edges, above = np.empty(m + 1, np.int64), np.empty(m + 1, np.int64), np.empty(m, np.int64)
        nodes[0], edges[0], waiting = (0 if m else -1), 0, 1
        splits = ends = 0
        while waiting:
            waiting -= 1
            node, edge = nodes[waiting], edges[waiting]
            here = splits if node >= 0 else m + ends
            if edge:
                place[low + (edge - 1) // 2, 1 + (edge - 1) % 2] = here
            if node < 0:
                covered = leaf_count[leaves + ~node] / count[low] if m else 1.0
                leaf[leaves + ends, 0] = value[leaves + ~node]
                leaf[leaves + ends, 1] = value[leaves + ~node] * covered
                ends += 1
                continue
            splits += 1
            order[low + here], above[here] = low + node, edge
            place[low + here, 0] = column[low + node]
            cover = np.empty(2)
            for side in range(2):
                child = (left, right)[side][low + node]
                cover[side] = count[low + child] if child >= 0 else leaf_count[leaves + ~child]
            for cast in range(casts):
                who, near = player[low + node, cast], edge
                while near and asked[low + (near - 1) // 2, cast, 0] != who:
                    near = above[(near - 1) // 2]
                asked[low + here, cast, 0], asked[low + here, cast, 1] = who, near
                had = inverse[low + (near - 1) // 2, cast, (near - 1) % 2] if near else 1.0
                for side in range(2):
                    inverse[low + here, cast, side] = had * (count[low + node] / cover[side])
                met[low + here, cast] = (met[low + (edge - 1) // 2, cast] if edge else 0) + (0 if near else 1)
            nodes[waiting], edges[waiting] = right[low + node], 2 + 2 * here
            nodes[waiting + 1], edges[waiting + 1] = left[low + node], 1 + 2 * here
            waiting += 2
