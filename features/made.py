"""Columns made of others when a table is read: the local hour, the kind of region, what an item was about.

Those of one row are made wherever rows are prepared. What an item was about is joined from
``contents`` where a lake is read, and when an event is stored: for each interaction the item's row
that stood when the interaction became known, so that a later correction changes no earlier vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.canonical import canonical, digests
from features.params import general
from features.schema import ARROW, table

JOINED: dict[str, str] = {"content_topics": "topics", "content_layer": "layer", "content_format": "format"}
"""Column of ``interactions`` -> the column of ``contents`` that it shows."""
CONTENT = ("content_id", "published_at", "known_at", *JOINED.values())
"""Columns of ``contents`` that are read for it."""
_ALWAYS = np.iinfo(np.int64).min
Columns: TypeAlias = dict[str, pa.ChunkedArray]


def needed(name: str, columns: Iterable[str]) -> tuple[str, ...]:
    """Return which columns of a table must be at hand, so that these can be read: what is made of one row, by that."""
    of = {each.name: each.of for each in table(name).further if each.of and each.name not in JOINED}
    return tuple(dict.fromkeys(of.get(each, each) for each in columns))


def complete(name: str, read: Columns, wanted: Iterable[str]) -> None:
    """Add the columns that are made of one row, where they are wanted."""
    made = {"local_hour": _hours, "region_kind": _kinds}
    for each in wanted:
        if each in made:
            read[each] = made[each](read[table(name).column(each).of])


class Items:
    """The rows of ``contents``, ready to be looked up.

    Parameters
    ----------
    contents
        The canonical table, in any order, with several rows for an item that changed.
    """

    def __init__(self, contents: pa.Table) -> None:
        rows = canonical(contents, "contents", CONTENT)
        rows = rows.filter(rows["content_id"].is_valid())
        since = pc.coalesce(rows["known_at"], rows["published_at"]).cast(pa.int64()).fill_null(_ALWAYS)
        order = pc.sort_indices(
            pa.table({"id": rows["content_id"].cast(pa.string()), "since": since, "row": digests(rows)}),
            sort_keys=[("id", "ascending"), ("since", "ascending"), ("row", "ascending")],
        )
        self._rows = rows.take(order).combine_chunks()
        self._since = since.take(order).to_numpy()
        self._instants = np.unique(self._since)
        ids = self._rows["content_id"].cast(pa.string()).combine_chunks().dictionary_encode()
        self._ids = ids.dictionary
        self._codes = ids.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        self._keys = self._key(self._codes, self._since)

    def told(self, acts: pa.Table, columns: Sequence[str] = tuple(JOINED)) -> pa.Table:
        """Return interactions with what was known of their items; null where nothing was.

        Parameters
        ----------
        acts
            Canonical rows of ``interactions``, content_id and known_at among their columns.
        columns
            Which of the joined columns.
        """
        codes = pc.index_in(acts["content_id"].cast(pa.string()).combine_chunks(), value_set=self._ids)
        code = codes.fill_null(-1).to_numpy().astype(np.int64)
        known = acts["known_at"].cast(pa.int64()).fill_null(_ALWAYS).to_numpy()
        place = np.searchsorted(self._keys, self._key(code, known), side="right") - 1
        found = (code >= 0) & (place >= 0)
        found[found] = self._codes[place[found]] == code[found]
        rows = pa.array(place, mask=~found)
        for name in columns:
            shown = self._rows[JOINED[name]].take(rows)
            at = acts.column_names.index(name) if name in acts.column_names else -1
            acts = acts.append_column(name, shown) if at < 0 else acts.set_column(at, name, shown)
        return acts

    def _key(self, code: np.ndarray, instant: np.ndarray) -> np.ndarray:
        """Order by item, then by instant; an instant counts as the latest of the items' own that it reaches."""
        key: np.ndarray = code * (len(self._instants) + 1) + np.searchsorted(self._instants, instant, side="right")
        return key


def _hours(time: pa.ChunkedArray) -> pa.ChunkedArray:
    local = time.cast(pa.timestamp("us", tz=general().timezone))
    return pc.hour(local).cast(ARROW["int"])


def _kinds(code: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what GB/T 2260 says by the last two digits: 01 to 20 districts, 21 to 80 counties, 81 to 99 cities."""
    text = code.cast(pa.string())
    county = pc.if_else(pc.match_substring_regex(text, "^[0-9]{6}$"), pc.utf8_slice_codeunits(text, 4, 6), None)
    number = county.cast(pa.int64())
    cut = [pc.and_(pc.greater_equal(number, low), pc.less_equal(number, high)) for low, high in _RANKS.values()]
    named = pc.case_when(pc.make_struct(*(each.fill_null(False) for each in cut)), *map(pa.scalar, _RANKS))
    return named if isinstance(named, pa.ChunkedArray) else pa.chunked_array([named])


_RANKS = {"district": (1, 20), "county": (21, 80), "city": (81, 99)}
