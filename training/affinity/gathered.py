# mypy: disable-error-code="no-untyped-def, call-arg"
"""Gathered: chosen rows of a sparse matrix, without making a matrix of them; what one list reads of thousands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numba import njit, types

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def _given(kind: types.Type, dimensions: int = 1) -> types.Array:
    return types.Array(kind, dimensions, "C", readonly=True)


REAL, PLACES = _given(types.float64), _given(types.int64)
"""Arrays that a kernel reads."""
_WIDTHS = (_given(types.uint32), _given(types.uint64))
"""scipy counts in 32 bits where they suffice. Read without a sign, a place need not be asked whether it is below 0."""


@njit([types.void(w, w, REAL, PLACES, REAL, types.float64[::1]) for w in _WIDTHS], cache=True, nogil=True)
def _total(starts, columns, values, rows, weight, out):
    for place in range(len(rows)):
        for at in range(starts[rows[place]], starts[rows[place] + 1]):
            out[columns[at]] += weight[place] * values[at]


@njit([types.void(w, w, REAL, PLACES, REAL, types.float64[::1]) for w in _WIDTHS], cache=True, nogil=True)
def _dot(starts, columns, values, rows, vector, out):
    for place in range(len(rows)):
        total = 0.0
        for at in range(starts[rows[place]], starts[rows[place] + 1]):
            total += values[at] * vector[columns[at]]
        out[place] = total


@njit([types.void(w, w, PLACES, types.boolean[::1]) for w in _WIDTHS], cache=True, nogil=True)
def _mark(starts, columns, rows, out):
    for row in rows:
        for at in range(starts[row], starts[row + 1]):
            out[columns[at]] = True


@njit([types.int64(w, w, PLACES, types.int64[::1]) for w in _WIDTHS], cache=True, nogil=True)
def _number(starts, columns, rows, place):
    """Number the columns that occur, in order of their first; ``place`` is -1 before, and elsewhere after."""
    count = 0
    for row in rows:
        for at in range(starts[row], starts[row + 1]):
            if place[columns[at]] < 0:
                place[columns[at]] = count
                count += 1
    return count


@njit([types.void(w, w, REAL, PLACES, PLACES, types.float64[:, ::1]) for w in _WIDTHS], cache=True, nogil=True)
def _dense(starts, columns, values, rows, place, out):
    for row in range(len(rows)):
        for at in range(starts[rows[row]], starts[rows[row] + 1]):
            out[row, place[columns[at]]] = values[at]


@dataclass(frozen=True)
class Gathered:
    """Some rows of a matrix of doubles, in the order asked for, repeated where a place is.

    Parameters
    ----------
    rows
        (n,) places of the rows.
    """

    matrix: csr_array
    rows: np.ndarray

    def dot(self, vector: np.ndarray) -> np.ndarray:
        """Return (n,) the product of each row with a vector (columns,)."""
        found = np.empty(len(self.rows))
        _dot(*self._parts, np.ascontiguousarray(vector, dtype=np.float64), found)
        return found

    def total(self, weight: np.ndarray | float = 1.0) -> np.ndarray:
        """Return (columns,) the sum of the rows, each times its weight (n,), or all times one."""
        found = np.zeros(self.matrix.shape[1])
        weights = np.empty(len(self.rows))
        weights[:] = weight
        _total(*self._parts, weights, found)
        return found

    def marked(self) -> np.ndarray:
        """Return (columns,) True where any of the rows has an entry."""
        starts, columns, _, rows = self._parts
        found = np.zeros(self.matrix.shape[1], dtype=bool)
        _mark(starts, columns, rows, found)
        return found

    def filled(self) -> np.ndarray:
        """Return (n,) the number of nonzeros of each row."""
        starts = self.matrix.indptr
        return np.asarray(starts[self.rows + 1] - starts[self.rows])

    def dense(self) -> np.ndarray:
        """Return (n, columns that occur, in the order of their first) with the zeros."""
        starts, columns, values, rows = self._parts
        place = np.full(self.matrix.shape[1], -1)
        found = np.zeros((len(rows), _number(starts, columns, rows, place)))
        _dense(starts, columns, values, rows, place, found)
        return found

    @property
    def _parts(self) -> tuple[np.ndarray, ...]:
        matrix = self.matrix
        starts, columns = (each.view(f"u{each.itemsize}") for each in (matrix.indptr, matrix.indices))
        return starts, columns, matrix.data, np.ascontiguousarray(self.rows, dtype=np.int64)
