"""Lists for many: those asked one by one, however the patients are batched, and under Spark."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from features.consent import YEAR_US
from features.errors import InputError
from features.instants import DAY, iso
from features.lake import Lake
from features.schema import table
from features.store import EventStore
from serving.consent import birth
from serving.front import Front
from serving.recommend import _opened, _tired
from tests.training.toys import NOW, catalogue, readership, saved
from training import tracking
from training.__main__ import app
from training.affinity.asked import Asked
from training.affinity.item import items
from training.affinity.lists import ASKED, lists, spread
from training.affinity.readers import conditions
from training.affinity.readers import readership as reading
from training.affinity.recommender import Recommender, spec
from training.affinity.safety import Reader, excluded
from training.affinity.values import affinity_values
from training.manifest import digest_of

JAVA = pytest.mark.skipif(not (os.environ.get("JAVA_HOME") or shutil.which("java")), reason="there is no Java")


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("artefact") / "one"
    return folder, saved(readership(catalogue(300), 200, 3000), folder)


def people(count: int) -> pa.Table:
    """Return patients of every kind: some never read, some of unknown age, some who consent to sensitive topics."""
    rng = np.random.default_rng(4)
    return pa.Table.from_pylist(
        [
            {
                "patient_id": f"p{number:04d}",
                "content_ids": [f"c{each:06d}" for each in rng.integers(0, 300, number % 9)],
                "times": [int(NOW - each) for each in rng.integers(1, 30 * DAY, number % 9)],
                "age": None if number % 5 == 0 else float(rng.integers(10, 90)),
                "conditions": ["diabetes"] * (number % 2) + ["pregnancy"] * (number % 3 == 0),
                "sensitive_consent": number % 4 == 0,
                "tired": ["c000001"] * (number % 7 == 0),
            }
            for number in range(count)
        ],
        schema=ASKED,
    )


def listed(artefact: tuple[Path, str], asked: pa.Table, size: int) -> pa.Table:
    recommender = Recommender.load(*artefact)
    display = recommender.display(recommender.items, NOW)
    return pa.Table.from_batches(lists(recommender, display, asked.to_batches(max_chunksize=size), NOW, 10))


def test_how_patients_are_batched_changes_no_list_and_each_is_safe(artefact: tuple[Path, str]) -> None:
    asked = people(40)
    found = listed(artefact, asked, 40)
    assert found.equals(listed(artefact, asked, 7))
    items = {item.content_id: item for item in Recommender.load(*artefact).items}
    for one in asked.to_pylist():
        reader = Reader(one["age"], frozenset(one["conditions"]), one["sensitive_consent"])
        shown = [row["content_id"] for row in found.to_pylist() if row["patient_id"] == one["patient_id"]]
        assert len(shown) == len(set(shown)) == 10 and not set(shown) & set(one["content_ids"])
        assert all(excluded(items[name], reader, NOW) is None for name in shown)


def test_a_lake_is_asked_for_what_was_known_of_each_patient(tmp_path: Path) -> None:
    """The highest version known by then, nothing void; shown three times and never opened is often enough."""
    values, hour = affinity_values(), DAY // 24
    event = {"event_id": "e", "version": 1, "void": False, "known_at": NOW - DAY, "time": NOW - DAY}
    rows: dict[str, list[dict[str, Any]]] = {
        "patients": [event | {"patient_id": "a", "birth_date": NOW - round(40 * 365.25 * DAY)}],
        "diagnoses": [
            event | {"patient_id": "a", "code_system": "ICD-10", "code": "E11.9"},
            event | {"patient_id": "b", "code_system": "ICD-10", "code": "I10", "known_at": NOW + hour},
        ],
        "interactions": [
            event | {"patient_id": "a", "content_id": "read"},
            event | {"patient_id": "a", "event_id": "f", "content_id": "taken back"},
            event | {"patient_id": "a", "event_id": "f", "content_id": "taken back", "version": 2, "void": True},
            event | {"patient_id": "b", "content_id": "known later", "known_at": NOW + hour},
        ],
        "impressions": [
            event
            | {"patient_id": patient, "event_id": f"{name}-{each}", "content_id": name, "clicked": clicked and not each}
            for patient, name, clicked in (("a", "ignored", False), ("a", "opened", True), ("c", "ignored", False))
            for each in range(values.fatigue_shown - (patient == "c"))
        ],
    }
    for name, found in rows.items():
        (tmp_path / name).mkdir()
        schema = table(name).arrow()
        cast = pa.schema([field for field in schema if any(field.name in row for row in found)])
        pq.write_table(pa.Table.from_pylist(found, schema=cast), tmp_path / name / "part.parquet")
    (batch,) = Asked(Lake(tmp_path), np.array(["a", "b", "c"], dtype=object), NOW, values).batches()
    a, b, c = batch.to_pylist()
    assert (a["content_ids"], a["times"], a["tired"]) == (["read"], [NOW - DAY], ["ignored"])
    assert a["age"] == pytest.approx(40) and {"diabetes", "E11.9"} <= set(a["conditions"])
    assert [b[name] for name in ("content_ids", "age", "conditions", "tired")] == [[], None, [], []]
    assert c["tired"] == [] and not any(each["sensitive_consent"] for each in (a, b, c))


@pytest.fixture
def registered(lake: Lake, tmp_path: Path) -> int:
    """Version 1: the sample hospital's items ten days before its end; return that end."""
    given = reading(lake, affinity_values())
    end = int(given.touches.time[-1]) + 1
    digest = saved(given, tmp_path / "artefact", at=end - 10 * DAY)
    columns = spec(("health_education",)).names
    tracking.record(tracking.Run("content_affinity", tmp_path / "artefact", digest, {}, {}, {}, columns))
    return end


def asked(lake: Lake, out: Path, *more: str) -> Result:
    told = ["lists", "content_affinity", "--lake", str(lake.path), "--out", str(out), *more]
    return CliRunner().invoke(app, told)


def test_the_command_writes_the_lists_that_the_service_would_show(
    registered: int, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Popularity of that instant, nothing barred, read, or shown too often; sensitive topics to nobody."""
    monkeypatch.setattr("training.affinity.asked.CHUNK", 100)
    at, out = registered, tmp_path / "lists.parquet"
    result = asked(lake, out, "--at", iso(at), "--k", "8")
    assert result.exit_code == 0, result.output
    found = pq.read_table(out)
    assert found.schema.names == ["patient_id", "at", "content_id", "rank", "score"]
    assert set(found["at"].cast(pa.int64()).to_pylist()) == {at}
    frame = found.to_pandas()
    assert frame["rank"].tolist() == (frame.groupby("patient_id").cumcount() + 1).tolist()
    shown = frame.groupby("patient_id")["content_id"].agg(list)
    assert shown.index.tolist() == lake.patients().tolist()
    assert f"{len(frame):,} items for {len(shown):,} patients" in result.output
    folder = tracking.fetch("content_affinity", "1")
    recommender = Recommender.load(folder, digest_of(folder))
    store = EventStore(tmp_path / "events.db")
    store.load(lake)
    display = Front(recommender).now(store, items(store.contents()), at).display
    for patient in shown.index[::12]:
        tables = store.tables(patient)
        born, often = birth(tables.get("patients"), at), _tired(tables, at, recommender.values)
        reader = Reader(None if born is None else (at - born) / YEAR_US, conditions(tables, at))
        person = display.person(_opened(tables, at), at, reader.age, reader.conditions)
        seed = int.from_bytes(hashlib.sha256(f"{at}-{patient}".encode()).digest()[:7], "big")
        one = recommender.recommend(display, person, reader, at, 8, seed, often, explain=False)
        assert shown[patient] == [item.content_id for item in one.items]
    store.close()


def test_lists_for_some_and_mistakes_are_named(registered: int, lake: Lake, tmp_path: Path) -> None:
    some, out = tmp_path / "some.csv", tmp_path / "lists.parquet"
    some.write_text("\n".join(["patient_id", *lake.patients()[:3], "stranger", "stranger"]) + "\n")
    assert asked(lake, out, "--patients", str(some)).exit_code == 0
    assert pq.read_table(out)["patient_id"].value_counts().field("counts").to_pylist() == [10] * 4
    some.write_text("patient\nstranger\n")
    (tmp_path / "bare" / "interactions").mkdir(parents=True)
    read = {"patient_id": ["a"], "content_id": ["c"], "time": pa.array([NOW], pa.timestamp("us", tz="UTC"))}
    pq.write_table(pa.table(read), tmp_path / "bare" / "interactions" / "part.parquet")
    for where, more, said in (
        (lake, ("--at", iso(registered - 11 * DAY)), "the items of version 1 stand at"),
        (lake, ("--patients", str(some)), "has no column 'patient_id'"),
        (Lake(tmp_path / "bare"), (), "it has no items in 'contents'"),
    ):
        with pytest.raises(InputError, match=said):
            raise asked(where, tmp_path / "none.parquet", *more).exception or AssertionError("no mistake was found")
    assert sorted(each.name for each in tmp_path.glob("*.parquet*")) == ["lists.parquet"]


@pytest.mark.slow
@JAVA
def test_spark_makes_the_same_lists(artefact: tuple[Path, str], tmp_path: Path) -> None:
    asked = people(60)
    pq.write_table(asked, tmp_path / "asked.parquet", row_group_size=20)
    order = [("patient_id", "ascending"), ("slot", "ascending")]
    assert spread(*artefact, tmp_path / "asked.parquet", NOW, 10).equals(listed(artefact, asked, 16).sort_by(order))
