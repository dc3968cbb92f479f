"""Collaborative stage 1: item-to-item weights from the users that touched both, kept sparse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from training.affinity.gathered import Gathered

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ROWS = 512
"""Rows of a dense inverse that are looked at together."""


def shared(user: np.ndarray, item: np.ndarray, users: int, items: int) -> csr_array:
    """Return the (items, items) counts of users in common; ``user`` and ``item`` are distinct pairs."""
    from scipy.sparse import csr_array

    owned = csr_array((np.ones(len(user), dtype=np.float32), (item, user)), shape=(items, users))
    return csr_array(owned @ owned.T)


def neighbours(common: csr_array, size: np.ndarray, kept: int, shrinkage: float) -> csr_array:
    """Return each item's nearest items by shrunk cosine.

    The cosine n_ij / sqrt(n_i n_j) is shrunk by n_ij / (n_ij + shrinkage), so that two items with
    one user in common are not taken for the same.

    Parameters
    ----------
    common
        As `shared` gives it.
    size
        (items,) users of each item.
    """
    found = common.copy()
    row = np.repeat(np.arange(len(size)), np.diff(found.indptr))
    both = found.data
    weight = both / np.sqrt(size[row] * size[found.indices]) * both / (both + shrinkage)
    found.data = np.where(row == found.indices, 0.0, weight)
    found.eliminate_zeros()
    return _strongest(found, kept)


def ease(common: csr_array, size: np.ndarray, kept: int, ridge: float, least: int = 2) -> csr_array:
    """Return the strongest weights of EASE (Steck 2019): B = -P / diag(P), P = (G + ridge I)^-1, diagonal 0.

    Items with fewer than ``least`` users have no weights: one user says nothing of pairs.
    """
    from scipy.linalg import lapack
    from scipy.sparse import csr_array

    there = np.flatnonzero(size >= least)
    if not len(there):
        return csr_array(common.shape, dtype=np.float64)
    kept = min(kept, len(there) - 1)
    if kept < 1:
        return csr_array(common.shape, dtype=np.float64)
    gram = common[there][:, there].astype(np.float32, copy=False).toarray(order="F")
    gram[np.diag_indices(len(there))] += np.float32(ridge)
    factor, _ = lapack.spotrf(gram, overwrite_a=1)
    inverse, _ = lapack.spotri(factor, overwrite_c=1)
    scale = inverse.diagonal().copy()
    best = np.empty((len(there), kept), dtype=np.int64)
    values = np.empty((len(there), kept))
    for start in range(0, len(there), ROWS):
        rows, after = slice(start, start + ROWS), slice(start + ROWS, None)
        inverse[rows, rows] += np.triu(inverse[rows, rows], 1).T
        inverse[after, rows] = inverse[rows, after].T
        weights = -inverse[rows] / scale
        np.fill_diagonal(weights[:, start:], 0.0)
        best[rows] = np.argpartition(-np.abs(weights), kept - 1, axis=1)[:, :kept]
        values[rows] = np.take_along_axis(weights, best[rows], axis=1)
    row = np.repeat(there, kept)
    return csr_array((values.ravel(), (row, there[best.ravel()])), shape=common.shape)


def followed(
    user: np.ndarray, item: np.ndarray, recent: np.ndarray, users: int, items: int, weight: np.ndarray, kept: int
) -> csr_array:
    """Return (items, items): of those who once touched i, how much they touched j lately.

    Each user counts 1 / number of items touched, so that who reads everything says little. Multiplied by a
    person's history it is the recent popularity among similar readers.

    Parameters
    ----------
    user, item
        Distinct pairs.
    recent
        Places among the pairs that are recent.
    weight
        (recent,) how recent.
    """
    from scipy.sparse import csr_array

    count = np.bincount(user, minlength=users)
    owned = csr_array((1 / count[user], (item, user)), shape=(items, users))
    lately = csr_array((weight, (user[recent], item[recent])), shape=(users, items))
    return _strongest(csr_array(owned @ lately), kept)


def scores(weights: csr_array, history: np.ndarray) -> np.ndarray:
    """Return (items,) the sum of the history's rows over the square root of its length."""
    return Gathered(weights, history).total(1 / np.sqrt(max(len(history), 1)))


def _strongest(found: csr_array, kept: int) -> csr_array:
    """Return the rows cut to their so many largest values, earlier columns first among equals."""
    from scipy.sparse import csr_array

    found.sort_indices()
    chosen = np.ones(found.nnz, dtype=bool)
    for row in np.flatnonzero(np.diff(found.indptr) > kept):
        mine = slice(found.indptr[row], found.indptr[row + 1])
        value = found.data[mine]
        least = np.partition(value, len(value) - kept)[len(value) - kept]
        surplus = np.flatnonzero(value == least)[kept - int((value > least).sum()) :]
        keep = value >= least
        keep[surplus] = False
        chosen[mine] = keep
    starts = np.concatenate([[0], np.cumsum(chosen)])[found.indptr]
    return csr_array((found.data[chosen].astype(np.float64), found.indices[chosen], starts), shape=found.shape)
