"""A chart that was kept says what the events say: vector, origins and consents, at any instant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import features
from features.behind import Behind
from features.instants import DAY
from features.plan import compile_plan
from features.store import EventStore
from serving.chart import Chart
from serving.consent import known
from serving.shelf import Shelf
from tests.origins import Asked
from tests.service.conftest import NOW, lake, people

INSTANTS = (NOW, NOW - 30 * DAY, NOW - 400 * DAY, NOW - 5000 * DAY)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EventStore:
    root = tmp_path_factory.mktemp("chart")
    found = EventStore(root / "events.db")
    found.load(lake(root / "lake"))
    return found


@pytest.fixture(scope="module")
def behind() -> Behind:
    return Behind(compile_plan(features.catalogue()))


def test_a_packed_chart_is_the_events(store: EventStore, behind: Behind) -> None:
    names = behind.plan.spec.names
    for patient in store.patients():
        tables = store.tables(patient)
        asked, made = Asked(behind.plan, tables, patient), Chart.of(behind, tables, patient)
        kept = Chart(behind, made.packed())
        for at in INSTANTS:
            for chart in (made, kept):
                np.testing.assert_array_equal(chart.vector(at), asked.vector(at))
                assert chart.origins(at, names) == asked.provenance(at, names)
                assert chart.consents(at) == known(tables.get("consents"), at)
    assert any(asked.provenance(NOW, names).values())


def test_a_watched_patient_keeps_who_watched(store: EventStore, behind: Behind) -> None:
    observed = pa.table(
        {
            "patient_id": ["ok-1", "ok-1", "other"],
            "table": ["encounters", "observations", "encounters"],
            "start": pa.array([NOW - 200 * DAY, NOW - 20 * DAY, 0], pa.timestamp("us", "UTC")),
            "end": pa.array([NOW, NOW + DAY, NOW], pa.timestamp("us", "UTC")),
        }
    )
    tables = {**store.tables("ok-1"), "observed": observed}
    kept = Chart(behind, Chart.of(behind, tables, "ok-1").packed())
    for at in INSTANTS:
        np.testing.assert_array_equal(kept.vector(at), Asked(behind.plan, tables, "ok-1").vector(at))
    assert not np.array_equal(
        kept.vector(NOW), Chart.of(behind, store.tables("ok-1"), "ok-1").vector(NOW), equal_nan=True
    )


def test_the_shelf_follows_the_events(tmp_path: Path, behind: Behind) -> None:
    store, shelf = EventStore(tmp_path / "events.db"), Shelf(tmp_path, 5)
    store.load(lake(tmp_path / "lake"))
    before = store.last_seq()
    first = shelf.chart(behind, store, "ok-1", before).vector(NOW)
    np.testing.assert_array_equal(shelf.chart(behind, store, "ok-1", before).vector(NOW), first)
    row = dict(next(row for name, row in people() if name == "encounters"))
    store.append("encounters", [row | {"event_id": "new", "time": NOW - DAY, "kind": "emergency"}], NOW - DAY)
    later = shelf.chart(behind, store, "ok-1", store.last_seq()).vector(NOW)
    assert not np.array_equal(later, first, equal_nan=True)
    np.testing.assert_array_equal(shelf.chart(behind, store, "ok-1", before).vector(NOW), first)
    shelf.forget("ok-1")
    assert b"ok-1" not in (tmp_path / "charts.db").read_bytes()
    shelf.close()
    store.close()
