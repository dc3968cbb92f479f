# mypy: disable-error-code="no-untyped-def,call-arg,var-annotated"
"""The walk: Shapley values by Gauss-Legendre quadrature, eight nodes at once, one walk up and one down each tree.

For a leaf with value v, a player i on its path has o_i = 1 if the row satisfies every split of the
player's there, else 0, and z_i, the product of those splits' cover ratios. With r = o / z,

    phi_i += v * prod(z) * (r_i - 1) * integral_0^1 prod_{j != i} (1 - t + r_j t) dt

(Owen 1972; METHODS). A leaf therefore starts with the static weight v * prod(z) and an edge multiplies by
1 - t + r t. At a split whose player had the ratio r' above (1 if it is new, 0 if the row failed it) the row
goes to child a and not to b; with k = 1 / (1 - t + r' t), r the ratio on the edge to a (0 where r' is) and
none on the edge to b,

    up:   U = k ((1 - t + r t) U_a + (1 - t) U_b)
    phi:  sum over nodes of  P k^2 ((r - r') U_a - r' U_b)
    down: P_a = P k (1 - t + r t),  P_b = P k (1 - t)

No step asks whether a player is new, kept or failed: branches that cannot be predicted cost more than the
arithmetic. All factors are positive, so nothing cancels but the one difference that Shapley's value is made of.
Which way a row goes is found once for all casts of players.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from training.treeshap.forest import ZERO
from training.treeshap.lanes import WIDTH, at, load, longs, reals, shorts, spread, store, total

SOUND, UNSOUND = -1, -2  # else: the tree whose tables changed, or the number of trees for the shared ones
ROWS = 16  # rows that go through a tree while its tables are in the nearest cache
TABLES = 9  # of a model, each told by address and length


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
def _tree_seal(k, casts, first, threshold, place, asked, inverse, leaf):
    """Sum over the bits of one tree's tables: a change of any single number changes it."""
    low, high = first[k], first[k + 1]
    return (
        _sum(threshold.view(np.int64), low, high)
        + _sum(place, 3 * low, 3 * high)
        + _sum(asked, 2 * casts * low, 2 * casts * high)
        + _sum(inverse.view(np.int64), 2 * casts * low, 2 * casts * high)
        + _sum(leaf.view(np.int64), 2 * (low + k), 2 * (high + k + 1))
    )


def _flat(kind: types.Type, readonly: bool = True) -> types.Array:
    return types.Array(kind, 1, "C", readonly=readonly)


_REAL, _SHORT, _LONG = _flat(types.float64), _flat(types.int32), _flat(types.int64)
_FLAT = (_LONG, _SHORT, _REAL, _SHORT, _REAL, _SHORT, _SHORT, _REAL, _REAL)  # the fields of Tables, flat, in order
_OUT = types.float64[::1]


@njit(types.int64[::1](types.int64, *_FLAT), cache=True, nogil=True)
def seal(casts, first, rule, nodes, column, threshold, place, asked, inverse, leaf):
    """Sums over each tree's tables, and last over the shared ones, to be kept apart from them."""
    trees = len(first) - 1
    found = np.empty(trees + 1, np.int64)
    for k in range(trees):
        found[k] = _tree_seal(k, casts, first, threshold, place, asked, inverse, leaf)
    found[trees] = _shared_seal(first, rule, nodes, column)
    return found


@njit(error_model="numpy")
def _explain(
    X,
    out,
    margin,
    features,
    first,
    rule,
    nodes,
    column,
    threshold,
    place,
    asked,
    inverse,
    leaf,
    seals,
    bounds,
    base,
    tolerance,
):
    """Explain each row of X (n x features) into out (n x players) and margin (n,), all flat.

    ``bounds`` (casts + 1,) is where the players of each cast begin. Returns SOUND, or which check
    failed: UNSOUND where base + contributions of a cast miss the margin by more than ``tolerance``,
    else the index into ``seals`` of the tables that changed since they were summed.
    """
    trees, casts = len(first) - 1, len(bounds) - 1
    players = bounds[casts]
    if _shared_seal(first, rule, nodes, column) != seals[trees]:
        return trees
    largest = 0
    for k in range(trees):
        largest = max(largest, first[k + 1] - first[k])
    above = np.empty((largest + 1) * WIDTH)  # P of splits, and last of whatever leaf was left
    below = np.empty((2 * largest + 1) * WIDTH)  # U of splits, then of leaves
    owed = np.empty(largest * WIDTH)  # (r - r') U_a - r' U_b
    factor = np.empty(largest * WIDTH)  # k
    side = np.empty(largest, np.int64)  # 1 where the row goes right
    before = np.empty(largest)  # r'
    ratio = np.empty(2 * largest + 1)  # r of each edge; first of none
    ratio[0] = 1.0
    columns = len(column) // 2
    found = np.empty(ROWS * players * WIDTH)
    prepared = np.empty(ROWS * columns)
    for start in range(0, len(margin), ROWS):
        rows = min(ROWS, len(margin) - start)
        found[: rows * players * WIDTH] = 0.0
        margin[start : start + rows] = 0.0
        for row in range(rows):
            for c in range(columns):
                value, kind = X[(start + row) * features + column[2 * c]], column[2 * c + 1]
                if np.isnan(value) or (kind & 2 and abs(value) <= ZERO):
                    value = np.nan if kind & 1 else -np.inf
                prepared[row * columns + c] = value
        for k in range(trees):
            if _tree_seal(k, casts, first, threshold, place, asked, inverse, leaf) != seals[k]:
                return k
            low = at(first, k)
            m, leaves = at(first, k + 1) - low, low + k
            for row in range(rows):
                mine = row * players
                for v in range(m):
                    value = at(prepared, row * columns + at(place, 3 * (low + v)))
                    side[v] = 0 if value <= at(threshold, low + v) else 1
                v = 0
                while v < m:
                    v = at(place, 3 * (low + v) + 1 + at(side, v))
                margin[start + row] += at(leaf, 2 * (leaves + v - m))
                for cast in range(casts if m else 0):
                    for v in range(m):
                        here, right = 2 * (casts * (low + v) + cast), at(side, v)
                        had = at(ratio, at(asked, here + 1))
                        before[v] = had
                        ratio[1 + 2 * v + right] = at(inverse, here + right) if had > 0.0 else 0.0
                        ratio[2 + 2 * v - right] = 0.0
                    begin = at(rule, 2 * (casts * k + cast))
                    for block in range(begin, begin + at(rule, 2 * (casts * k + cast) + 1)):
                        rest, t = load(nodes, 3 * WIDTH * block), load(nodes, 3 * WIDTH * block + WIDTH)
                        for v in range(m + 1):
                            store(below, (m + v) * WIDTH, spread(at(leaf, 2 * (leaves + v) + 1)))
                        for v in range(m - 1, -1, -1):
                            right, here = at(side, v), 3 * (low + v)
                            a = load(below, at(place, here + 1 + right) * WIDTH)
                            b = load(below, at(place, here + 2 - right) * WIDTH)
                            r, had = at(ratio, 1 + 2 * v + right), at(before, v)
                            shrunk = 1.0 / (rest + t * had)
                            store(factor, v * WIDTH, shrunk)
                            store(below, v * WIDTH, shrunk * ((rest + t * r) * a + rest * b))
                            store(owed, v * WIDTH, a * (r - had) - b * had)
                        store(above, 0, load(nodes, 3 * WIDTH * block + 2 * WIDTH))
                        for v in range(m):
                            right, here = at(side, v), 3 * (low + v)
                            near = min(at(place, here + 1 + right), m) * WIDTH
                            far = min(at(place, here + 2 - right), m) * WIDTH
                            shrunk = load(factor, v * WIDTH)
                            path = load(above, v * WIDTH) * shrunk
                            player = (mine + at(asked, 2 * (casts * (low + v) + cast))) * WIDTH
                            store(found, player, load(found, player) + path * shrunk * load(owed, v * WIDTH))
                            store(above, far, path * rest)
                            store(above, near, path * (rest + t * at(ratio, 1 + 2 * v + right)))
        for row in range(rows):
            for cast in range(casts):
                whole = base
                for player in range(bounds[cast], bounds[cast + 1]):
                    part = total(load(found, (row * players + player) * WIDTH))
                    out[(start + row) * players + player] = part
                    whole += part
                if not abs(whole - margin[start + row]) <= tolerance:
                    return UNSOUND
    return SOUND


@njit(types.int64[::1](_LONG, _LONG, _REAL, _REAL, _OUT, _OUT), cache=True, nogil=True, error_model="numpy")
def walk(rows, words, figures, X, out, margin):
    """Explain the rows of several models, one model after the other, in one call.

    Parameters
    ----------
    rows
        (models,) how many rows each has.
    words
        (models x (1 + 2 x (TABLES + 2)),) of each its number of features, then address and length of each
        table, of its seals and of its bounds.
    figures
        (models x 2,) base and tolerance of each.
    X, out, margin
        Rows, contributions and margins of the first model, then of the next.

    Returns
    -------
    (models,) the verdict on each, as `_explain` gives it.
    """
    verdict = np.empty(len(rows), np.int64)
    a = b = c = w = 0
    for model in range(len(rows)):
        n, features = rows[model], words[w]
        seals, bounds = longs(words, w + 19), longs(words, w + 21)
        width, players = n * features, n * bounds[len(bounds) - 1]
        verdict[model] = _explain(
            X[a : a + width],
            out[b : b + players],
            margin[c : c + n],
            features,
            longs(words, w + 1),
            shorts(words, w + 3),
            reals(words, w + 5),
            shorts(words, w + 7),
            reals(words, w + 9),
            shorts(words, w + 11),
            shorts(words, w + 13),
            reals(words, w + 15),
            reals(words, w + 17),
            seals,
            bounds,
            figures[2 * model],
            figures[2 * model + 1],
        )
        a, b, c, w = a + width, b + players, c + n, w + 23
    return verdict
