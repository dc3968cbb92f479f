"""Policies that logged lists can be asked about, and the log of a lake seen from one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import InputError
from features.instants import DAY
from training.affinity.item import items
from training.affinity.ope import Logged
from training.followup import final, instants

if TYPE_CHECKING:
    from features.lake import Lake

PERIOD = 30 * DAY
"""Lists of so long a time share what the log can show in a slot."""
PRIOR = 20.0
Policy = Callable[[np.ndarray, int], np.ndarray]
"""(places of the items that a slot can show, number of the period) -> their probabilities."""
NAMED = ("uniform", "newest", "popular")


def logged(lake: Lake, policy: str) -> Logged:
    """Return a lake's impressions as seen from a policy.

    Parameters
    ----------
    policy
        ``uniform`` over what the log shows in a slot within a period, ``newest`` or ``popular`` (a softmax
        over age, over openings before the period); or a Parquet file with list_id, slot, content_id and
        probability, the rows of a list and slot summing to at most 1.

    Raises
    ------
    InputError
        No impressions with a propensity; a policy that is neither named nor a file.
    """
    if policy not in NAMED and Path(policy).suffix != ".parquet":
        remedy = "or give a Parquet file"
        raise InputError(f"no policy '{policy}'", where="ope --policy", given=policy, known=NAMED, remedy=remedy)
    if "impressions" not in lake.tables():
        raise InputError("the lake has no table 'impressions'", where="ope", remedy="log lists with propensities")
    shown = final(lake.read("impressions"))
    shown = shown.filter(pc.and_(pc.is_valid(shown["propensity"]), pc.is_valid(shown["content_id"])))
    if not shown.num_rows:
        raise InputError("no impression has a propensity", where="ope", remedy="log lists with propensities")
    names, item = np.unique(shown["content_id"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    slot = shown["slot"].fill_null(0).to_numpy()
    reward = shown["clicked"].fill_null(False).to_numpy(zero_copy_only=False).astype(float)
    propensity = shown["propensity"].to_numpy()
    cluster = shown["patient_id"].to_numpy(zero_copy_only=False).astype(str)
    time = instants(shown["time"])
    period = (time - time.min()) // PERIOD
    _, cell = np.unique(np.stack([period, slot]), axis=1, return_inverse=True)
    q = _modelled(cell.ravel(), item, reward, len(names))
    if Path(policy).suffix == ".parquet":
        return _from_file(Path(policy), shown, names, item, cell.ravel(), reward, propensity, cluster, q)
    published = {each.content_id: each.published_at or 0 for each in items(lake.read("contents"))}
    born = np.array([published.get(name, 0) for name in names.tolist()], dtype=np.int64)
    chances = _named(policy, born - int(time.min()), item, reward, period)
    target, value = np.zeros(len(item)), np.zeros(len(item))
    for one in np.unique(cell):
        rows = np.flatnonzero(cell.ravel() == one)
        support = np.unique(item[rows])
        chance = chances(support, int(period[rows[0]]))
        target[rows] = chance[np.searchsorted(support, item[rows])]
        value[rows] = chance @ q[one, support]
    return Logged(cluster, reward, propensity, target, q[cell.ravel(), item], value, np.zeros(len(item)))


def _modelled(cell: np.ndarray, item: np.ndarray, reward: np.ndarray, count: int) -> np.ndarray:
    """Return (cells, items) of expected openings: the item's share, shrunk to the slot's in its period."""
    base = np.bincount(cell, weights=reward) / np.maximum(np.bincount(cell), 1)
    opened, many = np.bincount(item, weights=reward, minlength=count), np.bincount(item, minlength=count)
    overall = max(float(reward.mean()), 1e-9)
    lift = (opened + PRIOR * overall) / (many + PRIOR) / overall
    return np.clip(base[:, None] * lift[None, :], 0.0, 1.0)


def _named(policy: str, born: np.ndarray, item: np.ndarray, reward: np.ndarray, period: np.ndarray) -> Policy:
    """Return a policy; ``born`` counts from the start of the log."""
    if policy == "uniform":
        return lambda support, number: np.full(len(support), 1 / len(support))
    if policy == "newest":
        return lambda support, number: _softmax(-np.maximum(number * PERIOD - born[support], 0) / PERIOD)
    opened = np.zeros((int(period.max()) + 2, len(born)))
    np.add.at(opened, (period + 1, item), reward)
    before = np.cumsum(opened, axis=0)
    return lambda support, number: _softmax(np.log1p(before[number, support]))


def _softmax(score: np.ndarray) -> np.ndarray:
    raised = np.exp(score - score.max())
    return raised / raised.sum()


def _from_file(
    path: Path,
    shown: pa.Table,
    names: np.ndarray,
    item: np.ndarray,
    cell: np.ndarray,
    reward: np.ndarray,
    propensity: np.ndarray,
    cluster: np.ndarray,
    q: np.ndarray,
) -> Logged:
    import pandas as pd

    try:
        wanted = pq.read_table(path, columns=["list_id", "slot", "content_id", "probability"]).to_pandas()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot be read: {type(error).__name__}", where=path.name) from None
    log = pd.DataFrame({"list_id": shown["list_id"].to_pylist(), "slot": shown["slot"].to_pylist()})
    log["row"], log["cell"] = np.arange(len(log)), cell
    joined = log.merge(wanted, on=["list_id", "slot"], how="inner")
    place = np.searchsorted(names, joined["content_id"].astype(str))
    known = (place < len(names)) & (names[np.minimum(place, len(names) - 1)] == joined["content_id"].astype(str))
    place = np.minimum(place, len(names) - 1)
    supported = np.zeros((int(cell.max()) + 1, len(names)), dtype=bool)
    supported[cell, item] = True
    there = known.to_numpy() & supported[joined["cell"], place]
    row, chance = joined["row"].to_numpy(), joined["probability"].to_numpy()
    size = len(log)
    same = there & (place == item[row])
    target = np.bincount(row[same], weights=chance[same], minlength=size)
    value = np.bincount(row[there], weights=(chance * q[joined["cell"], place])[there], minlength=size)
    outside = np.bincount(row[~there], weights=chance[~there], minlength=size)
    return Logged(cluster, reward, propensity, target, q[cell, item], value, outside)
