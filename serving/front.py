"""The front: items with popularity and ages of now, renewed from the store's own stream of events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc

from features.store import EventStore
from training.affinity.display import Display
from training.affinity.item import Item
from training.affinity.recommender import Recommender
from training.affinity.values import affinity_values

if TYPE_CHECKING:
    from serving.desk import Desk

MINUTE = 60_000_000


class Front:
    """What is on display for one recommender.

    Made anew when the catalogue changes; brought to the present when it is older than
    ``affinity.refresh_minutes``.
    """

    def __init__(self, recommender: Recommender, items: tuple[Item, ...]) -> None:
        self._recommender, self._items = recommender, items
        self._touches: list[tuple[str, int]] = []
        self._seq = 0
        self.display: Display | None = None

    def now(self, store: EventStore, items: tuple[Item, ...], at: int) -> Display:
        """Return the display of an instant."""
        made = self.display
        fresh = affinity_values().refresh_minutes * MINUTE
        if made is not None and items is self._items and abs(at - made.stage.at) < fresh:
            return made
        upto = store.last_seq()
        if upto > self._seq:
            since = self._recommender.stage.at
            self._touches += [each for rows in store.since("interactions", self._seq) for each in _touched(rows, since)]
            self._seq = upto
        if made is None or items is not self._items:
            self._items = items
            made = self._recommender.display(items, at, self._touches)
        else:
            made = made.lived(at, self._touches)
        self.display = made
        return made


_FRONTS: WeakKeyDictionary[Recommender, Front] = WeakKeyDictionary()


def front(desk: Desk) -> Front:
    """Return the front of the recommender that is in production."""
    recommender = desk.models.recommender
    assert recommender is not None
    if recommender not in _FRONTS:
        _FRONTS[recommender] = Front(recommender, desk.catalogue.items)
    return _FRONTS[recommender]


def _touched(rows: pa.Table, since: int) -> Iterator[tuple[str, int]]:
    if "content_id" not in rows.column_names:
        return
    time = rows["time"].cast(pa.int64())
    kept = pc.and_(pc.greater_equal(time, since), pc.is_valid(rows["content_id"]))
    yield from zip(rows["content_id"].filter(kept).to_pylist(), time.filter(kept).to_pylist(), strict=True)
