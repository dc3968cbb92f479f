"""Gathered: chosen rows of a sparse matrix, without making a matrix of them; what one list reads of thousands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Gathered:
    """The nonzeros of ``rows`` rows.

    Parameters
    ----------
    row, column, value
        (nonzeros,) in order of the rows as they were asked for.
    rows, columns
        Shape.
    """

    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    rows: int
    columns: int

    @staticmethod
    def of(matrix: csr_array, rows: np.ndarray) -> Gathered:
        """Return the rows at some places, repeated where a place is."""
        starts = matrix.indptr[rows]
        length = matrix.indptr[rows + 1] - starts
        ends = np.cumsum(length)
        places = np.repeat(starts - (ends - length), length) + np.arange(ends[-1] if len(ends) else 0)
        row = np.repeat(np.arange(len(rows)), length)
        return Gathered(row, matrix.indices[places], matrix.data[places], len(rows), matrix.shape[1])

    def dot(self, dense: np.ndarray) -> np.ndarray:
        """Return (rows,) the product of each row with a vector (columns,)."""
        return np.bincount(self.row, weights=self.value * dense[self.column], minlength=self.rows)

    def total(self) -> np.ndarray:
        """Return (columns,) the sum of the rows."""
        return np.bincount(self.column, weights=self.value, minlength=self.columns)

    def filled(self) -> np.ndarray:
        """Return (rows,) the number of nonzeros of each row."""
        return np.bincount(self.row, minlength=self.rows)

    def dense(self) -> np.ndarray:
        """Return (rows, columns) with the zeros."""
        found = np.zeros((self.rows, self.columns))
        found[self.row, self.column] = self.value
        return found
