"""Item similarity: shrunk cosine between the sets of users that touched two items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.affinity.touches import Touches


@dataclass(frozen=True)
class Similarity:
    """The nearest neighbours of every item, rows as in compressed sparse rows.

    Parameters
    ----------
    starts
        (items + 1,) where each item's neighbours start.
    neighbour, weight
        Places of the neighbours and their similarity.
    """

    starts: np.ndarray
    neighbour: np.ndarray
    weight: np.ndarray

    def scores(self, history: np.ndarray, count: int) -> np.ndarray:
        """Return (count,) the mean similarity of every item to the items of a history, 0 without one."""
        found = np.zeros(count)
        for item in history:
            row = slice(self.starts[item], self.starts[item + 1])
            found[self.neighbour[row]] += self.weight[row]
        return found / max(len(history), 1)


def similarity(touches: Touches, at: int, neighbours: int, shrinkage: float) -> Similarity:
    """Return the similarity made of the touches strictly before an instant.

    The cosine n_ij / sqrt(n_i n_j) is shrunk by n_ij / (n_ij + shrinkage), so that two items with
    one user in common are not taken for the same.
    """
    from scipy.sparse import csr_array

    past = touches.before(at)
    count = len(touches.items)
    pairs = np.unique(touches.user[past].astype(np.int64) * count + touches.item[past])
    users, items = pairs // count, pairs % count
    owned = csr_array((np.ones(len(pairs)), (items, users)), shape=(count, len(touches.users)))
    common = (owned @ owned.T).tocoo()
    size = np.bincount(items, minlength=count)
    apart = common.row != common.col
    row, col, both = common.row[apart], common.col[apart], common.data[apart]
    weight = both / np.sqrt(size[row] * size[col]) * both / (both + shrinkage)
    order = np.lexsort((col, -weight, row))
    row, col, weight = row[order], col[order], weight[order]
    start = np.searchsorted(row, np.arange(count))
    kept = np.arange(len(row)) - start[row] < neighbours
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[kept], minlength=count))])
    return Similarity(starts, col[kept].astype(np.int32), weight[kept])
