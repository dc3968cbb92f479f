"""Policies that logged lists can be asked about, and the log of a lake seen from one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    import pandas as pd

    from features.lake import Lake

PERIOD = 30 * DAY
"""Lists of so long a time share what the log can show in a slot."""
PRIOR = 20.0
CERTAIN = 1 - 1e-9
"""Propensity from which nothing else could have stood there."""
Weigh = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(items, periods) -> what a policy makes of each item then, up to the sum over what could stand there."""
COLUMNS = ["list_id", "slot", "content_id", "probability"]
"""What a policy's file says."""
NAMED = ("uniform", "newest", "popular")


@dataclass(frozen=True)
class Support:
    """What could have stood in each slot of a log.

    Where the log says what the slot was drawn from (``sampled``) it is that; where it says that the item was certain,
    the item alone; else whatever the log shows in that slot within a period.

    Parameters
    ----------
    group
        (n,) number of each impression's set.
    of, item
        (m,) the sets, one row for each item of each.
    """

    group: np.ndarray
    of: np.ndarray
    item: np.ndarray
    items: int

    @staticmethod
    def read(cell: np.ndarray, item: np.ndarray, certain: np.ndarray, sampled: pa.Array, items: int) -> Support:
        """Return the sets; ``sampled`` are (n,) lists of items, null where the log does not say."""
        cells = int(cell.max()) + 1
        drawn = ~certain & sampled.is_valid().to_numpy(zero_copy_only=False)
        own = np.flatnonzero(drawn | certain)
        group = cell.copy()
        group[own] = cells + np.arange(len(own))
        shared = np.unique(cell[~(drawn | certain)] * items + item[~(drawn | certain)])
        lists = sampled.filter(pa.array(drawn))
        sizes = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        flat = np.unique(np.repeat(group[drawn], sizes) * items + pc.list_flatten(lists).to_numpy().astype(np.int64))
        pairs = np.concatenate([shared, flat, np.sort(group[certain] * items + item[certain])])
        return Support(group, pairs // items, pairs % items, items)

    def place(self, group: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Return where each pair of set and item stands, -1 where the item is not in the set."""
        pairs, asked = self.of * self.items + self.item, group * self.items + item
        order = np.argsort(pairs, kind="stable")
        found = order[np.minimum(np.searchsorted(pairs[order], asked), len(pairs) - 1)]
        return np.where(pairs[found] == asked, found, -1)


def logged(lake: Lake, policy: str) -> Logged:
    """Return a lake's impressions as seen from a policy.

    Parameters
    ----------
    policy
        ``uniform``, ``newest`` or ``popular`` (by age, by openings before the period) over what could have stood in a
        slot, judged where chance had a say; or a Parquet file with list_id, slot, content_id and probability, the rows
        of a list and slot summing to at most 1.

    Raises
    ------
    InputError
        No impressions with a propensity; a policy that is neither named nor a file, or that nothing is known for.
    """
    if policy not in NAMED and Path(policy).suffix != ".parquet":
        remedy = "or give a Parquet file"
        raise InputError(f"no policy '{policy}'", where="ope --policy", given=policy, known=NAMED, remedy=remedy)
    if "impressions" not in lake.tables():
        raise InputError("the lake has no table 'impressions'", where="ope", remedy="log lists with propensities")
    shown = final(lake.read("impressions"))
    shown = shown.filter(pc.and_(pc.is_valid(shown["propensity"]), pc.is_valid(shown["content_id"])))
    fixed = pc.greater_equal(shown["propensity"], CERTAIN)
    if policy in NAMED:
        everything, shown = shown.num_rows, shown.filter(pc.invert(fixed))
        if everything and not shown.num_rows:
            raise InputError("every item was certain: chance had no say", where="ope", remedy="explore in some slot")
    if not shown.num_rows:
        raise InputError("no impression has a propensity", where="ope", remedy="log lists with propensities")
    return _Log(lake, shown).seen_from(policy)


class _Log:
    """The impressions as arrays, and what could have stood in place of each."""

    def __init__(self, lake: Lake, shown: pa.Table) -> None:
        self.lake, self.shown = lake, shown
        sampled = (
            shown["sampled"].combine_chunks().cast(pa.list_(pa.string()))
            if "sampled" in shown.column_names
            else pa.nulls(shown.num_rows, pa.list_(pa.string()))
        )
        drawn = pc.list_flatten(sampled)
        content = shown["content_id"].combine_chunks().cast(pa.string())
        self.names = np.unique(np.concatenate([_texts(content), _texts(drawn)]))
        self.item = np.searchsorted(self.names, _texts(content))
        self.slot = shown["slot"].fill_null(0).to_numpy()
        self.reward = shown["clicked"].fill_null(False).to_numpy(zero_copy_only=False).astype(float)
        self.propensity = shown["propensity"].to_numpy()
        self.cluster = _texts(shown["patient_id"])
        time = instants(shown["time"])
        self.start = int(time.min())
        self.period = (time - self.start) // PERIOD
        _, cell = np.unique(np.stack([self.period, self.slot]), axis=1, return_inverse=True)
        self.cell = cell.ravel()
        numbers = pa.array(np.searchsorted(self.names, _texts(drawn)))
        lists = pa.ListArray.from_arrays(_offsets(sampled), numbers, mask=sampled.is_null())
        certain = self.propensity >= CERTAIN
        self.support = Support.read(self.cell, self.item, certain, lists, len(self.names))
        self.q = _modelled(self.cell, self.item, self.reward, len(self.names))

    def seen_from(self, policy: str) -> Logged:
        row = np.zeros(int(self.support.group.max()) + 1, dtype=np.int64)
        row[self.support.group] = np.arange(len(self.item))
        if policy in NAMED:
            of, item = self.support.of, self.support.item
            weight = self._weigh(policy)(item, self.period[row[of]])
            chance = weight / np.bincount(of, weights=weight)[of]
            value = np.bincount(of, weights=chance * self.q[self.cell[row[of]], item])
            place = self.support.place(self.support.group, self.item)
            target = np.where(place >= 0, chance[place], 0.0)
            return self._logged(target, value[self.support.group], np.zeros(len(self.item)))
        return self._from_file(Path(policy))

    def _weigh(self, policy: str) -> Weigh:
        if policy == "uniform":
            return lambda item, period: np.ones(len(item))
        if policy == "newest":
            published = {each.content_id: each.published_at for each in items(self.lake.read("contents"))}
            if not any(published.get(name) for name in self.names.tolist()):
                remedy = "ingest contents with published_at"
                raise InputError("nothing is known of when items were published", where="ope newest", remedy=remedy)
            born = np.array([published.get(name) or 0 for name in self.names.tolist()], np.int64) - self.start
            return lambda item, period: np.exp(-np.maximum(period * PERIOD - born[item], 0) / PERIOD)
        if not self.period.any():
            what = f"the log is shorter than {PERIOD // DAY} days: nothing is known of what was popular before"
            raise InputError(what, where="ope popular", remedy="log longer, or ask about uniform")
        opened = np.zeros((int(self.period.max()) + 2, len(self.names)))
        np.add.at(opened, (self.period + 1, self.item), self.reward)
        before = np.cumsum(opened, axis=0)
        return lambda item, period: 1 + before[period, item]

    def _from_file(self, path: Path) -> Logged:
        import pandas as pd

        wanted = _given(path)
        log = pd.DataFrame({"list_id": self.shown["list_id"].to_pylist(), "slot": self.shown["slot"].to_pylist()})
        log["row"] = np.arange(len(log))
        joined = log.merge(wanted, on=["list_id", "slot"], how="inner")
        asked = joined["content_id"].astype(str).to_numpy()
        item = np.minimum(np.searchsorted(self.names, asked), len(self.names) - 1)
        row, chance, size = joined["row"].to_numpy(), joined["probability"].to_numpy(), len(log)
        known = self.names[item] == asked
        same = known & (item == self.item[row])
        there = same | (known & (self.support.place(self.support.group[row], item) >= 0))
        target = np.bincount(row[same], weights=chance[same], minlength=size)
        value = np.bincount(row[there], weights=(chance * self.q[self.cell[row], item])[there], minlength=size)
        outside = np.bincount(row[~there], weights=chance[~there], minlength=size)
        return self._logged(target, value, outside)

    def _logged(self, target: np.ndarray, value: np.ndarray, outside: np.ndarray) -> Logged:
        modelled = self.q[self.cell, self.item]
        return Logged(self.cluster, self.reward, self.propensity, target, modelled, value, outside)


def _given(path: Path) -> pd.DataFrame:
    """Return a policy's file, checked: what it names, and that it gives probabilities."""
    if not path.is_file():
        raise InputError("there is no such file", where=f"ope --policy {path.name}")
    try:
        whole = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {type(error).__name__}", where=path.name) from None
    if missing := [name for name in COLUMNS if name not in whole.column_names]:
        remedy = f"give {', '.join(COLUMNS)}"
        raise InputError(f"lacks {', '.join(missing)}", where=f"ope --policy {path.name}", remedy=remedy)
    wanted: pd.DataFrame = whole.select(COLUMNS).to_pandas()
    if not wanted["probability"].between(0, 1).all():
        wrong = "a probability is missing, below 0 or above 1"
    elif wanted.duplicated(["list_id", "slot", "content_id"]).any():
        wrong = "an item stands twice in the same list and slot"
    elif (wanted.groupby(["list_id", "slot"])["probability"].sum() > 1 + 1e-6).any():
        wrong = "the probabilities of a list and slot sum to more than 1"
    else:
        return wanted
    raise InputError(wrong, where=f"ope --policy {path.name}", remedy="write one row an item, summing to at most 1")


def _texts(each: pa.Array | pa.ChunkedArray) -> np.ndarray:
    return np.asarray(each.to_numpy(zero_copy_only=False)).astype(str)


def _offsets(lists: pa.Array) -> pa.Array:
    """Return (n + 1,) where each list begins in the flattened values; a null one is empty."""
    sizes = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    return pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())


def _modelled(cell: np.ndarray, item: np.ndarray, reward: np.ndarray, count: int) -> np.ndarray:
    """Return (cells, items) of expected openings: the item's share, shrunk to the slot's in its period."""
    base = np.bincount(cell, weights=reward) / np.maximum(np.bincount(cell), 1)
    opened, many = np.bincount(item, weights=reward, minlength=count), np.bincount(item, minlength=count)
    overall = max(float(reward.mean()), 1e-9)
    lift = (opened + PRIOR * overall) / (many + PRIOR) / overall
    return np.clip(base[:, None] * lift[None, :], 0.0, 1.0)
