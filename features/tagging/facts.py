"""What rules read beside the vector: words that no float can hold, from the same prepared rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.instants import DAY
from features.params import general
from features.plan import Ready
from features.rows import Rows
from features.tagging.behaviour import HOURS
from features.tagging.tag import absent

DAYS = 90
VIEWS = ("view", "finish")
FACTS: Mapping[str, tuple[str, ...]] = {
    "at": general().purposes,
    "region": ("care_followup", "screening_invitation"),
    "topic_read": ("care_followup", "health_education"),
    "format_read": ("care_followup", "health_education"),
    "hours_active": ("care_followup", "health_education", "service_marketing"),
}
"""Fact -> purposes for which it may be used."""
BEHIND: Mapping[str, str] = {
    "region": "sex_male",
    "topic_read": "online_count_90d",
    "format_read": "online_count_90d",
    "hours_active": "online_count_90d",
}
"""Fact -> a feature that reads every row of the fact's table, so that its rows are made ready."""
_PAIRS = 2_000_000


@dataclass(frozen=True)
class Kinds:
    """A word or several for each row: those of row i are ``places[starts[i]:starts[i + 1]]`` into ``words``."""

    words: tuple[str, ...]
    places: np.ndarray
    starts: np.ndarray

    @staticmethod
    def of(rows: list[list[str]]) -> Kinds:
        words = tuple(sorted({word for each in rows for word in each}))
        at = {word: place for place, word in enumerate(words)}
        flat = np.array([at[word] for each in rows for word in each], np.int64)
        return Kinds(words, flat, np.concatenate(([0], np.cumsum([len(each) for each in rows]))).astype(np.int64))


class Facts:
    """The facts of some patients, at any landmarks.

    Parameters
    ----------
    ready
        Their prepared rows. A fact whose table was not made ready is never asked for.
    tables
        The canonical tables that were made ready, with all their columns.
    contents
        The canonical table ``contents``: which items are sensitive now, and what each is about where the
        interactions do not say how it stood when it was read.
    least
        Actions below which no preference is named.
    """

    def __init__(self, ready: Ready, tables: Mapping[str, pa.Table], contents: pa.Table, least: int) -> None:
        self._least = least
        self._people, self._acts = ready.rows.get("patients"), ready.rows.get("interactions")
        if self._people is not None:
            regions = _column(tables.get("patients"), "region_code", self._people)
            self._regions = np.array([region or None for region in regions], dtype=object)
        if self._acts is not None:
            self._read(self._acts, tables.get("interactions"), contents)

    def _read(self, rows: Rows, acts: pa.Table | None, contents: pa.Table) -> None:
        viewed = [word in VIEWS for word in _column(acts, "action", rows)]
        opened = _column(acts, "content_id", rows)
        named = pa.array(sorted({name for name in opened if name is not None}), pa.string())
        own = contents.filter(pc.is_in(contents["content_id"].cast(pa.string()), value_set=named))
        items = {row["content_id"]: row for row in own.to_pylist()}
        seen = [items.get(name, {}) if view else {} for view, name in zip(viewed, opened)]
        topics = [
            then or item.get("topics") if item.get("sensitive") is False else None
            for item, then in zip(seen, _column(acts, "content_topics", rows))
        ]
        formats = [
            then if view and then else item.get("format")
            for view, item, then in zip(viewed, seen, _column(acts, "content_format", rows))
        ]
        self._topics = Kinds.of([sorted(set(each or ())) for each in topics])
        self._formats = Kinds.of([[each] if each else [] for each in formats])
        self._hours = Kinds.of([[word] for word in _parts(rows.time)])

    def columns(self, which: np.ndarray, at: np.ndarray) -> dict[str, np.ndarray]:
        """Return each fact as (n,) objects; None where there is none."""
        found: dict[str, np.ndarray] = {"at": at}
        if self._people is not None:
            found["region"] = self._latest(self._people, which, at)
        if self._acts is not None:
            kinds = {"topic_read": self._topics, "format_read": self._formats, "hours_active": self._hours}
            found |= {name: self._most(each, self._acts, which, at) for name, each in kinds.items()}
        return found

    def _latest(self, rows: Rows, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the region on the latest visible row of each landmark's patient."""
        found = np.full(len(at), None, dtype=object)
        row, low = rows.starts[which + 1] - 1, rows.starts[which]
        open_ = row >= low
        while open_.any():
            place = row[open_]
            seen = _visible(rows, place, at[open_]) & ~absent(self._regions[place])
            hit = np.flatnonzero(open_)[seen]
            found[hit] = self._regions[row[hit]]
            row = row - 1
            open_ &= row >= low
            open_[hit] = False
        return found

    def _most(self, kinds: Kinds, rows: Rows, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the word that the most rows of the window bear, ``least`` or more; of equals the first by name."""
        found = np.full(len(at), None, dtype=object)
        if not len(kinds.places):
            return found
        sizes = rows.starts[which + 1] - rows.starts[which]
        ends = np.searchsorted(np.cumsum(sizes), np.arange(_PAIRS, sizes.sum() + _PAIRS, _PAIRS), side="left") + 1
        begin = 0
        for end in np.minimum(ends, len(at)):
            if end > begin:
                found[begin:end] = self._most_of(kinds, rows, which[begin:end], at[begin:end])
            begin = int(end)
        return found

    def _most_of(self, kinds: Kinds, rows: Rows, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        found = np.full(len(at), None, dtype=object)
        landmark, row = _spread(rows.starts[which], rows.starts[which + 1])
        kept = _visible(rows, row, at[landmark]) & (rows.time[row] > at[landmark] - DAYS * DAY)
        landmark, row = landmark[kept], row[kept]
        owner, place = _spread(kinds.starts[row], kinds.starts[row + 1])
        pair = landmark[owner] * len(kinds.words) + kinds.places[place]
        pairs, counts = np.unique(pair, return_counts=True)
        pairs, counts = pairs[counts >= self._least], counts[counts >= self._least]
        of, word = np.divmod(pairs, len(kinds.words))
        order = np.lexsort((word, -counts, of))
        of, word = of[order], word[order]
        first = np.unique(of, return_index=True)[1]
        found[of[first]] = np.array(kinds.words, dtype=object)[word[first]]
        return found


def _visible(rows: Rows, row: np.ndarray, at: np.ndarray) -> np.ndarray:
    seen: np.ndarray = (rows.known[row] <= at) & (rows.until[row] > at) & (rows.time[row] <= at)
    return seen


def _spread(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (owner, place) for every place of every half-open range."""
    sizes = high - low
    owner = np.repeat(np.arange(len(low)), sizes)
    return owner, np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes) + np.repeat(low, sizes)


def _column(table: pa.Table | None, name: str, rows: Rows) -> list[Any]:
    if table is None or name not in table.column_names:
        return [None] * len(rows.origin)
    found: list[Any] = table[name].take(pa.array(rows.origin)).to_pylist()
    return found


def _parts(time: np.ndarray) -> list[str]:
    """Name the part of the local day of each instant."""
    zone = general().zone
    local = pa.array(time, pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us", tz=str(zone)))
    names = tuple(HOURS)
    return [names[hour // 6] for hour in pc.hour(local).to_pylist()]
