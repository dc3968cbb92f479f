# mypy: disable-error-code="no-untyped-def,call-arg,var-annotated"
"""The walk: Shapley values by Gauss-Legendre quadrature, eight nodes at once, one walk up and one down each tree.

For a leaf with value v, a player i on its path has o_i = 1 if the row satisfies every split of the
player's there, else 0, and z_i, the product of those splits' cover ratios. With r = o / z,

    phi_i += v * prod(z) * (r_i - 1) * integral_0^1 prod_{j != i} (1 - t + r_j t) dt

(Owen 1972; METHODS). A leaf therefore starts with the static weight v * prod(z) and an edge multiplies by
f = 1 - t + r t. At a split whose player had r' (1 if it is new) the row goes to child a and not to b;
with k = 1 / (1 - t + r' t) and r the ratio on the edge to a, r = 0 on the edge to b,

    up:   U = k ((1 - t)(U_a + U_b) + r t U_a)
    phi:  sum over nodes of  P k^2 ((r - r') U_a - r' U_b)
    down: P_a = P k (1 - t + r t),  P_b = P k (1 - t)

A player whose earlier split the row failed keeps r = 0: U = U_a + U_b, nothing is owed, P stays.
All factors are positive, so nothing cancels but the one difference that Shapley's value is made of.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from training.treeshap.forest import ZERO
from training.treeshap.lanes import WIDTH, at, load, spread, store, total

SOUND, UNSOUND = -1, -2  # else: the tree whose tables changed, or the number of trees for the shared ones
ROWS = 16  # rows that go through a tree while its tables are in the nearest cache
NEW, KEPT, FAILED = 0, 1, 2  # a split's player: first met here, satisfied so far, failed above


@njit(inline="always")
def _sum(words, start, stop):
    found = np.int64(0)
    for i in range(start, stop):
        found += at(words, i)
    return found


@njit(inline="always")
def _shared_seal(first, rule, nodes, column):
    bits = nodes.view(np.int64)
    return (
        _sum(first, 0, len(first)) + _sum(rule, 0, len(rule)) + _sum(bits, 0, len(bits)) + _sum(column, 0, len(column))
    )


@njit(inline="always")
def _tree_seal(k, first, threshold, place, inverse, leaf):
    """Sum over the bits of one tree's tables: a change of any single number changes it."""
    low, high = first[k], first[k + 1]
    return (
        _sum(threshold.view(np.int64), low, high)
        + _sum(place, 5 * low, 5 * high)
        + _sum(inverse.view(np.int64), 2 * low, 2 * high)
        + _sum(leaf.view(np.int64), 2 * (low + k), 2 * (high + k + 1))
    )


def _flat(kind: types.Type, readonly: bool = True) -> types.Array:
    return types.Array(kind, 1, "C", readonly=readonly)


_REAL, _SHORT, _LONG = _flat(types.float64), _flat(types.int32), _flat(types.int64)
_TABLES = (_LONG, _SHORT, _REAL, _SHORT, _REAL, _SHORT, _REAL, _REAL)  # the fields of Tables, flat, in order
_SEAL = types.int64[::1](*_TABLES)
_WALK = types.int64(
    types.Array(types.float64, 2, "C", readonly=True),
    types.float64[:, ::1],
    types.float64[::1],
    *_TABLES,
    _LONG,
    types.int64,
    types.float64,
    types.float64,
)


@njit(_SEAL, cache=True, nogil=True)
def seal(first, rule, nodes, column, threshold, place, inverse, leaf):
    """Sums over each tree's tables, and last over the shared ones, to be kept apart from them."""
    trees = len(first) - 1
    found = np.empty(trees + 1, np.int64)
    for k in range(trees):
        found[k] = _tree_seal(k, first, threshold, place, inverse, leaf)
    found[trees] = _shared_seal(first, rule, nodes, column)
    return found


@njit(_WALK, cache=True, nogil=True, error_model="numpy")
def walk(
    X,
    out,
    margin,
    first,
    rule,
    nodes,
    column,
    threshold,
    place,
    inverse,
    leaf,
    seals,
    players,
    base,
    tolerance,
):
    """Explain every row of X (n, features) into out (n, >= players) and margin (n,).

    Returns SOUND, or which check failed: UNSOUND where base + contributions miss the margin by more
    than `tolerance`, else the index into `seals` of the tables that changed since they were summed.
    """
    trees = len(first) - 1
    if _shared_seal(first, rule, nodes, column) != seals[trees]:
        return trees
    largest = 0
    for k in range(trees):
        largest = max(largest, first[k + 1] - first[k])
    above = np.empty((2 * largest + 1) * WIDTH)  # P of splits, then of leaves
    below = np.empty((2 * largest + 1) * WIDTH)  # U of splits, then of leaves
    owed = np.empty(largest * WIDTH)  # k^2 ((r - r') U_a - r' U_b)
    side = np.empty(largest, np.int64)  # 1 where the row goes right
    state = np.empty(largest, np.int64)
    columns = len(column) // 2
    found = np.empty(ROWS * players * WIDTH)
    prepared = np.empty(ROWS * columns)
    for start in range(0, len(X), ROWS):
        rows = min(ROWS, len(X) - start)
        found[: rows * players * WIDTH] = 0.0
        margin[start : start + rows] = 0.0
        for row in range(rows):
            for c in range(columns):
                value, kind = X[start + row, column[2 * c]], column[2 * c + 1]
                if np.isnan(value) or (kind & 2 and abs(value) <= ZERO):
                    value = np.nan if kind & 1 else -np.inf
                prepared[row * columns + c] = value
        for k in range(trees):
            if _tree_seal(k, first, threshold, place, inverse, leaf) != seals[k]:
                return k
            low = at(first, k)
            m, leaves = at(first, k + 1) - low, low + k
            for row in range(rows):
                mine = row * players * WIDTH
                for v in range(m):
                    here = 5 * (low + v)
                    edge, kept = at(place, here + 4), NEW
                    if edge >= 0:
                        kept = KEPT if at(state, edge >> 1) != FAILED and at(side, edge >> 1) == edge & 1 else FAILED
                    value = at(prepared, row * columns + at(place, here))
                    side[v] = 0 if value <= at(threshold, low + v) else 1
                    state[v] = kept
                v = 0
                while v < m:
                    v = at(place, 5 * (low + v) + 2 + at(side, v))
                margin[start + row] += at(leaf, 2 * (leaves + v - m))
                for block in range(at(rule, 2 * k), at(rule, 2 * k) + (at(rule, 2 * k + 1) if m else 0)):
                    rest, t = load(nodes, 3 * WIDTH * block), load(nodes, 3 * WIDTH * block + WIDTH)
                    for v in range(m + 1):
                        store(below, (m + v) * WIDTH, spread(at(leaf, 2 * (leaves + v) + 1)))
                    for v in range(m - 1, -1, -1):
                        right, here = at(side, v), 5 * (low + v)
                        a = load(below, at(place, here + 2 + right) * WIDTH)
                        b = load(below, at(place, here + 3 - right) * WIDTH)
                        if at(state, v) == FAILED:
                            store(below, v * WIDTH, a + b)
                            continue
                        r = at(inverse, 2 * (low + v) + right)
                        both = rest * (a + b) + (t * r) * a
                        if at(state, v) == NEW:
                            store(below, v * WIDTH, both)
                            store(owed, v * WIDTH, a * (r - 1.0) - b)
                        else:
                            before = at(inverse, 2 * low + at(place, here + 4))
                            factor = 1.0 / (rest + t * before)
                            store(below, v * WIDTH, factor * both)
                            store(owed, v * WIDTH, factor * factor * (a * (r - before) - b * before))
                    store(above, 0, load(nodes, 3 * WIDTH * block + 2 * WIDTH))
                    for v in range(m):
                        right, here = at(side, v), 5 * (low + v)
                        near = at(place, here + 2 + right) * WIDTH
                        far = at(place, here + 3 - right) * WIDTH
                        path = load(above, v * WIDTH)
                        if at(state, v) == FAILED:
                            store(above, near, path)
                            store(above, far, path)
                            continue
                        player = mine + at(place, here + 1) * WIDTH
                        store(found, player, load(found, player) + path * load(owed, v * WIDTH))
                        if at(state, v) == KEPT:
                            path = path / (rest + t * at(inverse, 2 * low + at(place, here + 4)))
                        failing = path * rest
                        store(above, far, failing)
                        store(above, near, failing + (t * at(inverse, 2 * (low + v) + right)) * path)
        for row in range(rows):
            whole = base
            for player in range(players):
                out[start + row, player] = total(load(found, (row * players + player) * WIDTH))
                whole += out[start + row, player]
            if not abs(whole - margin[start + row]) <= tolerance:
                return UNSOUND
    return SOUND
