"""A forest and its players as the flat tables that the kernel walks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.treeshap.forest import MISSING_NONE, MISSING_ZERO, Forest, Tree
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
        (trees, 2) first block of quadrature nodes of a tree and the number of its blocks.
    nodes
        (blocks, 3, 8) per block 1 - t, t and the weights of eight Gauss-Legendre nodes t on (0, 1).
    column
        (columns, 2) feature of a prepared column, and how a missing value stands in it: bit 0 it
        stays NaN, which goes right, bit 1 zero is missing too.
    threshold
        (splits,) left where the prepared value is <= threshold.
    place
        (splits, 5) prepared column, player, left child, right child (a split of the tree counted
        from its first, or m + leaf), and the edge (2 x split + side) nearest above that asks the same player, or -1.
    inverse
        (splits, 2) 1 / z of either edge: z is the product of the cover ratios of the player's splits
        from the root to that edge.
    leaf
        (leaves, 2) value, and value x cover / root cover.
    """

    first: np.ndarray
    rule: np.ndarray
    nodes: np.ndarray
    column: np.ndarray
    threshold: np.ndarray
    place: np.ndarray
    inverse: np.ndarray
    leaf: np.ndarray

    @classmethod
    def compile(cls, forest: Forest, player: np.ndarray) -> Tables:
        """Lay out the forest; `player` (features,) is the column of the answer each feature adds to."""
        columns: dict[tuple[int, int], int] = {}
        parts = [_Layout(tree, player, columns) for tree in forest.trees]
        depths = [part.players for part in parts]
        rules = sorted({_blocks(depth) for depth in depths})
        starts = dict(zip(rules, np.cumsum([0, *rules[:-1]])))
        return cls(
            first=np.cumsum([0, *(len(part.threshold) for part in parts)], dtype=np.int64),
            rule=np.array([(starts[_blocks(depth)], _blocks(depth)) for depth in depths], np.int32).reshape(-1, 2),
            nodes=np.concatenate([_gauss(blocks) for blocks in rules] or [np.zeros((0, 3, WIDTH))]),
            column=np.array(list(columns), np.int32).reshape(-1, 2),
            threshold=np.concatenate([part.threshold for part in parts] or [np.zeros(0)]),
            place=np.array([row for part in parts for row in part.place], np.int32).reshape(-1, 5),
            inverse=np.array([row for part in parts for row in part.inverse], np.float64).reshape(-1, 2),
            leaf=np.array([row for part in parts for row in part.leaf], np.float64).reshape(-1, 2),
        )


def _blocks(players: int) -> int:
    """Blocks of eight nodes that integrate a path of so many players exactly (degree players - 1)."""
    return max(1, -(-players // (2 * WIDTH)))


def _gauss(blocks: int) -> np.ndarray:
    t, weight = np.polynomial.legendre.leggauss(blocks * WIDTH)
    t = (1 + t) / 2
    return np.stack([1 - t, t, weight / 2]).reshape(3, blocks, WIDTH).swapaxes(0, 1)


class _Layout:
    """One tree in preorder."""

    def __init__(self, tree: Tree, player: np.ndarray, columns: dict[tuple[int, int], int]) -> None:
        m = len(tree.feature)
        self.place: list[list[int]] = []
        self.inverse: list[list[float]] = []
        self.leaf: list[tuple[float, float]] = []
        self.players = 0
        order: list[int] = []
        # (node, edge that leads to it, {player: (its edge, its 1 / z)} on the path); the left child is popped first
        waiting: list[tuple[int, int, dict[int, tuple[int, float]]]] = [(0 if m else -1, -1, {})]
        while waiting:
            node, edge, above = waiting.pop()
            here = len(order) if node >= 0 else m + len(self.leaf)
            if edge >= 0:
                self.place[edge // 2][2 + edge % 2] = here
            if node < 0:
                share = tree.leaf_count[~node] / tree.count[0] if m else 1.0
                self.leaf.append((float(tree.value[~node]), float(tree.value[~node] * share)))
                self.players = max(self.players, len(above))
                continue
            order.append(node)
            who = int(player[tree.feature[node]])
            nearest, inverse = above.get(who, (-1, 1.0))
            key = (int(tree.feature[node]), _missing(tree, node))
            self.place.append([columns.setdefault(key, len(columns)), who, 0, 0, nearest])
            edges = []
            for side, child in enumerate((int(tree.left[node]), int(tree.right[node]))):
                cover = tree.count[child] if child >= 0 else tree.leaf_count[~child]
                edges.append((child, 2 * here + side, inverse * float(tree.count[node] / cover)))
            self.inverse.append([edge[2] for edge in edges])
            waiting += [(child, edge, {**above, who: (edge, z)}) for child, edge, z in reversed(edges)]
        self.threshold = tree.threshold[order]


def _missing(tree: Tree, node: int) -> int:
    """How a missing value stands for this split: below every threshold (left), or NaN (right)."""
    as_zero = tree.missing[node] == MISSING_NONE
    left = tree.threshold[node] >= 0.0 if as_zero else tree.default_left[node]
    return (0 if left else 1) + (2 if tree.missing[node] == MISSING_ZERO else 0)
