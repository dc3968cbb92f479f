"""What can be recommended: the store's items, read again as soon as one was published or withdrawn."""

from __future__ import annotations

import pyarrow as pa

from features.store import EventStore
from training.affinity.item import Item, items


class Catalogue:
    """The items of a store, whichever worker changed them last."""

    def __init__(self, store: EventStore) -> None:
        self._store, self._seq = store, -1
        self._refresh()

    @property
    def items(self) -> tuple[Item, ...]:
        """The items as ranking and safety read them."""
        return self.stands()[0]

    @property
    def table(self) -> pa.Table:
        """The canonical table ``contents``, the latest row of each item."""
        self._refresh()
        return self._table

    def stands(self) -> tuple[tuple[Item, ...], int]:
        """Return the items and the number of their last change, by which `stood` returns them later."""
        self._refresh()
        return self._items, self._seq

    def _refresh(self) -> None:
        seq = self._store.contents_seq()
        if seq != self._seq:
            self._table = self._store.contents(seq)
            self._items, self._seq = items(self._table), seq


def stood(store: EventStore, seq: int) -> tuple[Item, ...]:
    """Return the items of a store as they stood at a change."""
    return items(store.contents(seq))
