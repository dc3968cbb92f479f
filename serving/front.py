"""The front: items with popularity and ages of now, renewed from the store's own stream of events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc

from features import instants
from features.store import EventStore
from training.affinity.display import Display
from training.affinity.item import Item
from training.affinity.recommender import Recommender
from training.affinity.values import affinity_values

if TYPE_CHECKING:
    from serving.desk import Desk

MINUTE = 60_000_000


@dataclass(frozen=True)
class Fronted:
    """What a front shows, and of what: enough to make it again.

    Parameters
    ----------
    upto
        Number of the last event that was read for it.
    touches, digest
        How many touches of items were read, and SHA-256 over them.
    """

    display: Display
    upto: int
    touches: int
    digest: str

    def record(self) -> dict[str, Any]:
        """Return what a list's record keeps of it: numbers alone, nobody's reading."""
        read = {"upto": self.upto, "touches": self.touches, "digest": self.digest}
        return {"popularity_at": instants.iso(self.display.stage.at), "popularity": read}


class Front:
    """What is on display for one recommender.

    Made anew when the catalogue changes; brought to the present when it is older than
    ``affinity.refresh_minutes``.
    """

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self._items: tuple[Item, ...] | None = None
        self._touches: list[tuple[str, int]] = []
        self._seq, self._told, self._purges = 0, hashlib.sha256(), 0
        self._made: Fronted | None = None

    def now(self, store: EventStore, items: tuple[Item, ...], at: int, upto: int | None = None) -> Fronted:
        """Return what is shown at an instant; of events numbered up to ``upto``, where that is given."""
        made = self._made
        fresh = affinity_values().refresh_minutes * MINUTE
        if made is not None and items is self._items and abs(at - made.display.stage.at) < fresh:
            return made
        self._read(store, store.last_seq() if upto is None else upto)
        if made is None or items is not self._items:
            self._items = items
            display = self._recommender.display(items, at, self._touches)
        else:
            display = made.display.lived(at, self._touches)
        self._made = Fronted(display, self._seq, len(self._touches), self._told.hexdigest())
        return self._made

    def _read(self, store: EventStore, upto: int) -> None:
        """Read on; from the beginning where somebody was erased since, whose touches must not be held any longer."""
        purges = store.purges()
        if purges != self._purges:
            self._touches, self._seq, self._told, self._purges = [], 0, hashlib.sha256(), purges
        since = self._recommender.stage.at
        for rows in store.since("interactions", self._seq, upto) if upto > self._seq else ():
            some = list(_touched(rows, since))
            self._told.update("".join(f"{name}\x1f{time}\n" for name, time in some).encode())
            self._touches += some
        self._seq = max(upto, self._seq)


_FRONTS: WeakKeyDictionary[Recommender, Front] = WeakKeyDictionary()


def front(desk: Desk) -> Front:
    """Return the front of the recommender that is in production."""
    recommender = desk.models.recommender
    assert recommender is not None
    if recommender not in _FRONTS:
        _FRONTS[recommender] = Front(recommender)
    return _FRONTS[recommender]


def ready(recommender: Recommender, store: EventStore, items: tuple[Item, ...], at: int) -> None:
    """Make the front of a recommender that is to come into production, so that no list waits for it."""
    made = Front(recommender)
    made.now(store, items, at)
    _FRONTS[recommender] = made


def before(recommender: Recommender, store: EventStore, items: tuple[Item, ...], record: Mapping[str, Any]) -> Fronted:
    """Return what was shown when a list was recorded, made again of the events that are still there."""
    at = instants.parse(record["popularity_at"])
    return Front(recommender).now(store, items, at, record["popularity"]["upto"])


def _touched(rows: pa.Table, since: int) -> Iterator[tuple[str, int]]:
    if "content_id" not in rows.column_names:
        return
    time = rows["time"].cast(pa.int64())
    kept = pc.and_(pc.greater_equal(time, since), pc.is_valid(rows["content_id"]))
    yield from zip(rows["content_id"].filter(kept).to_pylist(), time.filter(kept).to_pylist(), strict=True)
