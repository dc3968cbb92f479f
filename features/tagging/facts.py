"""What rules read beside the vector: words that no float can hold, from the same prepared rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
        Their prepared rows; those of ``patients`` and ``interactions`` are all there.
    tables
        The canonical tables that were made ready, with all their columns.
    contents
        The canonical table ``contents``.
    least
        Actions below which no preference is named.
    """

    def __init__(self, ready: Ready, tables: Mapping[str, pa.Table], contents: pa.Table, least: int) -> None:
        self._people, self._acts, self._least = ready.rows["patients"], ready.rows["interactions"], least
        regions = _column(tables.get("patients"), "region_code", self._people)
        self._regions = np.array([region or None for region in regions], dtype=object)
        viewed = [word in VIEWS for word in _column(tables.get("interactions"), "action", self._acts)]
        opened = _column(tables.get("interactions"), "content_id", self._acts)
        items = {row["content_id"]: row for row in contents.to_pylist()}
        seen = [items.get(name, {}) if view else {} for view, name in zip(viewed, opened)]
        self._topics = Kinds.of([sorted(set(item.get("topics") or ())) for item in seen])
        self._formats = Kinds.of([[item["format"]] if item.get("format") else [] for item in seen])
        self._hours = Kinds.of([[word] for word in _parts(self._acts.time)])

    def columns(self, which: np.ndarray, at: np.ndarray) -> dict[str, np.ndarray]:
        """Return each fact as (n,) objects; None where there is none."""
        return {
            "at": at,
            "region": self._latest(which, at),
            "topic_read": self._most(self._topics, which, at),
            "format_read": self._most(self._formats, which, at),
            "hours_active": self._most(self._hours, which, at),
        }

    def _latest(self, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the region on the latest visible row of each landmark's patient."""
        found, rows = np.full(len(at), None, dtype=object), self._people
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

    def _most(self, kinds: Kinds, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return the word that the most rows of the window bear, ``least`` or more; of equals the first by name."""
        found, rows = np.full(len(at), None, dtype=object), self._acts
        if not len(kinds.places):
            return found
        sizes = rows.starts[which + 1] - rows.starts[which]
        ends = np.searchsorted(np.cumsum(sizes), np.arange(_PAIRS, sizes.sum() + _PAIRS, _PAIRS), side="left") + 1
        begin = 0
        for end in np.minimum(ends, len(at)):
            if end > begin:
                found[begin:end] = self._most_of(kinds, which[begin:end], at[begin:end])
            begin = int(end)
        return found

    def _most_of(self, kinds: Kinds, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        rows, found = self._acts, np.full(len(at), None, dtype=object)
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


def _column(table: pa.Table | None, name: str, rows: Rows) -> list[str | None]:
    if table is None or name not in table.column_names:
        return [None] * len(rows.origin)
    found: list[str | None] = table[name].take(pa.array(rows.origin)).to_pylist()
    return found


def _parts(time: np.ndarray) -> list[str]:
    """Name the part of the local day of each instant."""
    zone = general().zone
    local = pa.array(time, pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us", tz=str(zone)))
    names = tuple(HOURS)
    return [names[hour // 6] for hour in pc.hour(local).to_pylist()]
