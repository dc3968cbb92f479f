"""Columns made of others: the topic of an item as it stood when it was read, the local hour, the kind of region."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.asking import Asking
from features.errors import InputError
from features.history import Selection
from features.lake import Lake
from features.plan import compile_plan
from features.store import EventStore
from tests.spec.drawn import ask, drawn, instant
from tests.strategies import group

ACTS = """
event_id | patient_id | time             | action | content_id
a        | p          | 2024-03-01T16:30 | view   | c1
b        | q          | 2024-03-20       | view   | c1
c        | r          | 2024-03-20       | view   | c2
"""
GROUPS = '''
from features import feature_group

@feature_group(source="interactions", purposes=("care_followup",), why="a test", clinical_group="reading")
def about(history):
    """What was read about."""
    return {"diet": history.share(content_topics=("diet", "饮食")), "comic": history.share(content_format="comic")}
'''


def contents(*rows: tuple[str, list[str] | str, str, str]) -> pa.Table:
    """Return items: id, topics, format, since when the row holds."""
    ids, topics, formats, since = zip(*rows)
    known = pa.array([instant(each) for each in since]).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"content_id": ids, "topics": topics, "format": formats, "known_at": known})


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "home"))
    for name, rows in (
        ("interactions", drawn("interactions", ACTS)),
        ("contents", contents(("c1", ["salt", "diet"], "article", "2024-01-01"), ("c2", ["x"], "comic", "2024-01-01"))),
    ):
        (tmp_path / "lake" / name).mkdir(parents=True)
        pq.write_table(rows, tmp_path / "lake" / name / "one.parquet")
    (tmp_path / "groups.py").write_text(GROUPS)
    return tmp_path


def asking(world: Path) -> Asking:
    return Asking.of(world / "lake", (str(world / "groups.py"),), "2024-03-31", None)


def built(file: Path) -> dict[str, list[float]]:
    read = pq.read_table(file).to_pylist()
    return {row["patient_id"]: [row["diet"], row["comic"]] for row in read}


def test_a_later_correction_changes_no_earlier_reading(world: Path) -> None:
    asking(world).build(world / "v.parquet")
    assert built(world / "v.parquet") == {"p": [1, 0], "q": [1, 0], "r": [0, 1]}
    correction = contents(("c1", ["sleep"], "comic", "2024-03-10"))
    pq.write_table(correction, world / "lake/contents/two.parquet")
    told = asking(world).refresh(world / "v.parquet")
    assert built(world / "v.parquet") == {"p": [1, 0], "q": [0, 1], "r": [0, 1]}
    assert told.computed, "a correction concerns who touched the item"
    asking(world).build(world / "anew.parquet")
    assert pq.read_table(world / "anew.parquet").equals(pq.read_table(world / "v.parquet"))


def test_an_item_that_nobody_touched_concerns_nobody(world: Path) -> None:
    asking(world).build(world / "v.parquet")
    pq.write_table(contents(("c7", ["new"], "h5", "2024-03-10")), world / "lake/contents/two.parquet")
    assert asking(world).refresh(world / "v.parquet").computed == 0


def test_the_store_says_what_the_lake_says_and_keeps_what_stood_when_an_event_came(world: Path) -> None:
    asked = asking(world)
    plan, at = compile_plan(asked.groups), instant("2024-03-31")
    store = EventStore(world / "events.db")
    store.load(asked.lake)
    assert plan.vectors(store.tables("p"), ["p"], np.array([at])).tolist() == [[1, 0]]
    store.append("interactions", [act("n1")], instant("2024-03-05"))
    store.publish({"content_id": "c1", "topics": ["sleep"], "format": "comic"})
    store.append("interactions", [act("n2")], instant("2024-03-06"))
    assert plan.vectors(store.tables("n"), ["n"], np.array([at])).tolist() == [[0.5, 0.5]]
    store.close()


def act(event_id: str) -> dict[str, object]:
    return {
        "patient_id": "n", "time": instant("2024-03-01"), "event_id": event_id, "action": "view", "content_id": "c1"
    }  # fmt: skip


def test_topics_may_be_written_in_one_text(world: Path) -> None:
    since = pa.array([instant("2024-01-01")]).cast(pa.timestamp("us", tz="UTC"))
    one = pa.table({"content_id": ["c1"], "topics": ["睡眠、饮食"], "known_at": since})
    pq.write_table(one, world / "lake/contents/one.parquet")
    asking(world).build(world / "v.parquet")
    assert built(world / "v.parquet")["p"] == [1, 0]


def test_an_item_without_an_id_is_nobodys(world: Path) -> None:
    nameless = pa.table({"content_id": pa.array([None, "c1"], pa.string()), "topics": [["x"], ["diet"]]})
    pq.write_table(nameless, world / "lake/contents/one.parquet")
    asking(world).build(world / "v.parquet")
    assert built(world / "v.parquet") == {"p": [1, 0], "q": [1, 0], "r": [0, 0]}
    pq.write_table(nameless.slice(0, 1), world / "lake/contents/one.parquet")
    asking(world).build(world / "v.parquet")
    assert built(world / "v.parquet")["p"] == [0, 0]


def test_without_contents_nothing_is_known_of_an_item(world: Path) -> None:
    (world / "lake/contents/one.parquet").unlink()
    rows = Lake(world / "lake").read("interactions", ("patient_id", "content_topics"))
    assert rows["content_topics"].null_count == 3


def test_the_hour_is_that_of_the_hospital() -> None:
    assert ask(lambda h: h.where(local_hour=0).count(), "2024-03-31", interactions=ACTS) == 1
    assert ask(lambda h: h.where(local_hour=16).count(), "2024-03-31", interactions=ACTS) == 0


def test_the_zone_is_part_of_what_defines_the_feature() -> None:
    plain, hourly = Selection("interactions").count(), Selection("interactions").share(local_hour=(8, 9))
    assert "zone" not in plain.definition() and hourly.definition()["zone"] == "Asia/Shanghai"


@pytest.mark.parametrize(("code", "kind"), [("110105", "district"), ("130121", "county"), ("320281", "city")])
def test_a_region_is_of_a_kind(code: str, kind: str) -> None:
    rows = f"time       | region_code\n2024-01-01 | {code}"
    assert ask(lambda h: h.share(region_kind=kind), "2024-03-31", patients=rows) == 1


def test_a_whole_province_or_a_wrong_code_is_of_no_kind() -> None:
    rows = "time       | region_code\n2024-01-01 | 110000\n2024-01-02 | 朝阳区"
    assert ask(lambda h: h.where(region_kind=("district", "county", "city")).count(), "2024-03-31", patients=rows) == 0


def test_several_words_are_asked_for_one_by_one() -> None:
    with pytest.raises(InputError, match="content_topics"):
        compile_plan([group("interactions", {"f": Selection("interactions").where(topics="diet").count()})])
    with pytest.raises(InputError, match="is a strings"):
        Selection("interactions").distinct("content_topics")
