"""The front counts touches as training does: a reader once, an event by its highest version, nothing voided."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from features.instants import DAY, micros
from features.store import EventStore
from serving.front import Front
from tests.spec.drawn import drawn
from tests.training.toys import NOW, catalogue, readership, recommender

DRAWN = """
patient_id | time             | event_id | version | void  | content_id | action
p1         | 2024-10-04T08:00 | a        | 1       | false | c000003    | view
p1         | 2024-10-04T09:00 | b        | 1       | false | c000003    | view
p2         | 2024-10-04T09:00 | c        | 1       | false | c000003    | like
p2         | 2024-10-04T10:00 | d        | 1       | false | c000004    | view
p2         | 2024-10-04T10:00 | d        | 2       | true  | c000004    | view
p3         | 2024-10-04T10:00 | e        | 1       | false | c000004    | view
p3         | 2024-10-04T10:00 | e        | 2       | false | c000005    | view
"""


def test_touches_since_training_count_as_they_would_in_training(tmp_path: Path) -> None:
    items = catalogue(50)
    made = recommender(readership(items, 20, 300))
    store = EventStore(tmp_path / "events.db")
    rows = drawn("interactions", DRAWN).to_pylist()
    store.append("interactions", [row | {"time": micros(row["time"])} for row in rows], known_at=NOW)
    at = NOW + DAY
    before = Front(made).now(store, items, at, upto=0).display.stage
    after = Front(made).now(store, items, at).display.stage
    place = after.catalogue.place
    readers = dict(zip(("c000003", "c000004", "c000005"), (2, 0, 1), strict=True))
    for name, count in readers.items():
        assert after.readers[place[name]] - before.readers[place[name]] == count
    assert after.worth[place["c000003"]] - before.worth[place["c000003"]] == 1 + 1 + 2
    moved = np.flatnonzero((after.popular != before.popular).any(axis=0))
    assert moved.tolist() == sorted(place[name] for name in ("c000003", "c000005"))
    store.close()
