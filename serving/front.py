"""The front: items with popularity and ages of now, renewed from the store's own stream of events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyarrow.compute as pc

from features import instants
from features.store import EventStore
from training.affinity.display import Display
from training.affinity.item import Item
from training.affinity.readers import worth
from training.affinity.recommender import Recommender
from training.affinity.touches import Touch
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


class _Version(NamedTuple):
    """What a version of an event says: the highest holds, and a void one takes the event back."""

    version: int
    void: bool
    touch: Touch


class Front:
    """What is on display for one recommender.

    Made anew when the catalogue changes; brought to the present when it is older than
    ``affinity.refresh_minutes``.
    """

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self._items: tuple[Item, ...] | None = None
        self._events: dict[tuple[str, str], _Version] = {}
        self._seq, self._read, self._told, self._purges = 0, 0, hashlib.sha256(), 0
        self._made: Fronted | None = None

    def now(self, store: EventStore, items: tuple[Item, ...], at: int, upto: int | None = None) -> Fronted:
        """Return what is shown at an instant; of events numbered up to ``upto``, where that is given."""
        made = self._made
        fresh = affinity_values().refresh_minutes * MINUTE
        if made is not None and items is self._items and abs(at - made.display.stage.at) < fresh:
            return made
        self._read_on(store, store.last_seq() if upto is None else upto)
        touches = [each.touch for each in self._events.values() if not each.void]
        if made is None or items is not self._items:
            self._items = items
            display = self._recommender.display(items, at, touches)
        else:
            display = made.display.lived(at, touches)
        self._made = Fronted(display, self._seq, self._read, self._told.hexdigest())
        return self._made

    def _read_on(self, store: EventStore, upto: int) -> None:
        """Read on; from the beginning where somebody was erased since, whose touches must not be held any longer."""
        purges = store.purges()
        if purges != self._purges:
            self._events, self._seq, self._read, self._told, self._purges = {}, 0, 0, hashlib.sha256(), purges
        since = self._recommender.stage.at
        for rows in store.since("interactions", self._seq, upto) if upto > self._seq else ():
            for event_id, each in _versions(rows, since):
                touch = each.touch
                self._told.update(f"{touch.content_id}\x1f{touch.time}\n".encode())
                self._read += 1
                event = (touch.reader, event_id)
                if event not in self._events or each.version > self._events[event].version:
                    self._events[event] = each
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


def _versions(rows: pa.Table, since: int) -> Iterator[tuple[str, _Version]]:
    """Yield (event id, version) of the touches of items from an instant on, as they were stored."""
    if "content_id" not in rows.column_names:
        return
    time = rows["time"].cast(pa.int64())
    kept = pc.and_(pc.greater_equal(time, since), pc.is_valid(rows["content_id"]))
    rows = rows.filter(kept)
    columns = [rows[name].to_pylist() for name in ("event_id", "version", "void", "content_id", "patient_id")]
    told = zip(*columns, time.filter(kept).to_pylist(), worth(rows, affinity_values()).tolist())
    for event_id, version, void, content_id, reader, moment, weight in told:
        yield event_id, _Version(version, bool(void), Touch(content_id, moment, reader, weight))
