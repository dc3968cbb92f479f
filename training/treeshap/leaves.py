# mypy: disable-error-code="no-untyped-def"
"""Leaves: the raw margin of LightGBM's trees alone, for ranking many rows where nothing is explained."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from training.treeshap.forest import MISSING_NAN, MISSING_ZERO, ZERO, Forest


def _flat(kind: types.Type) -> types.Array:
    return types.Array(kind, 1, "C", readonly=True)


_REAL, _LONG = _flat(types.float64), _flat(types.int64)
_WALK = types.void(
    types.Array(types.float64, 2, "C", readonly=True),
    types.float64[::1],
    *(_LONG, _LONG, _REAL, _LONG, _LONG, _LONG, _LONG, _REAL),
)


@njit(_WALK, cache=True, nogil=True)
def _sum(X, out, first, feature, threshold, missing, default_left, left, right, value):
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
        def joined(name: str, kind: type) -> np.ndarray:
            return np.ascontiguousarray(np.concatenate([getattr(tree, name) for tree in forest.trees]), dtype=kind)

        first = np.concatenate([[0], np.cumsum([len(tree.feature) for tree in forest.trees])]).astype(np.int64)
        whole = (joined(name, np.int64) for name in ("missing", "default_left", "left", "right"))
        self._tables = first, joined("feature", np.int64), joined("threshold", np.float64), *whole
        self._value = joined("value", np.float64)

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """Return (n,) raw margins of X (n, features), NaN for missing."""
        rows = np.ascontiguousarray(X, dtype=np.float64)
        out = np.empty(len(rows))
        _sum(rows, out, *self._tables, self._value)  # type: ignore[call-arg]  # numba's stub knows no arguments
        return out
