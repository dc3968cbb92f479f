"""The backtest over lakes of other shapes: ratings, tags without times, bare interactions, cold items and patients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.errors import InputError
from features.ingest import ingest
from features.instants import DAY, parse
from features.lake import Lake
from training.__main__ import app
from training.affinity.backtest import backtest, begins, duration
from training.affinity.commands import told
from training.affinity.readers import readership
from training.affinity.values import affinity_values

START = parse("2024-01-01T00:00:00+08:00")
QUICK = (
    "evaluation.replicates=60",
    "affinity.windows=12",
    "affinity.user_days=300",
    "affinity.ranker.rounds=80",
    "affinity.ranker.min_data_in_leaf=10",
)
MOMENT = pa.timestamp("us", tz="UTC")


def write(folder: Path, interactions: dict[str, Any], contents: dict[str, Any] | None = None) -> Lake:
    """Write a lake: instants as microseconds under ``time`` and ``published_at``."""
    for name, columns in (("interactions", interactions), ("contents", contents)):
        if columns is None:
            continue
        cast = {
            key: pa.array(value).cast(MOMENT) if key in ("time", "published_at") else pa.array(value)
            for key, value in columns.items()
        }
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.table(cast), folder / name / "part.parquet")
    return Lake(folder)


def world(seed: int = 0, users: int = 50, items: int = 70, days: int = 26) -> dict[str, np.ndarray]:
    """Readers of three tastes; items appear over time and are mostly read while they are new."""
    rng = np.random.default_rng(seed)
    taste, topic = rng.integers(0, 3, users), rng.integers(0, 3, items)
    born = np.sort(rng.integers(0, days, items))
    rows = []
    for day in range(days):
        there = np.flatnonzero(born < day)
        for user in np.flatnonzero(rng.random(users) < 0.6):
            if len(there):
                like = np.exp(2.5 * (topic[there] == taste[user]) - 0.15 * (day - born[there]))
                chosen = rng.choice(there, min(2, len(there)), replace=False, p=like / like.sum())
                rows += [(user, item, START + day * DAY + int(rng.integers(DAY))) for item in chosen]
    user, item, time = (np.array(column) for column in zip(*rows, strict=True))
    return {"user": user, "item": item, "time": time, "topic": topic, "born": START + born * DAY}


def names(prefix: str, codes: np.ndarray) -> list[str]:
    return [f"{prefix}{code}" for code in codes]


def said(made: dict[str, np.ndarray]) -> dict[str, Any]:
    words = np.array(["控糖饮食 低糖", "running exercise", "睡眠 sleep"])
    return {
        "content_id": names("c", np.arange(len(made["topic"]))),
        "title": [f"{words[topic]} {number}" for number, topic in enumerate(made["topic"])],
        "topics": [[f"topic{topic}"] for topic in made["topic"]],
    }


@pytest.fixture(scope="module")
def made() -> dict[str, np.ndarray]:
    return world()


def roll(lake: Lake, first: str = "2024-01-22", last: str = "2024-01-25", every: str = "1d", *more: str) -> Any:
    return backtest(lake, first, last, every, (*QUICK, *more))


def test_bare_interactions_are_enough(tmp_path, made):
    lake = write(tmp_path, dict(zip(("patient_id", "content_id", "time"),
                 (names("p", made["user"]), names("c", made["item"]), made["time"]))))  # fmt: skip
    found = roll(lake)
    assert found.report["overall"]["ndcg10"]["value"] > found.report["overall"]["ndcg10_reference"]["value"]
    frame = pd.DataFrame(found.predictions)
    assert set(frame.columns) == {"patient_id", "at", "content_id", "rank", "score"}
    assert not frame.duplicated(["patient_id", "at", "content_id"]).any() and frame["rank"].max() <= 50
    for (patient, at), part in frame.groupby(["patient_id", "at"]):
        assert part["rank"].tolist() == list(range(1, len(part) + 1)) and (np.diff(part["score"]) <= 0).all()
        before = (np.array(names("p", made["user"])) == patient) & (made["time"] < at)
        assert not set(part["content_id"]) & set(np.array(names("c", made["item"]))[before])


def test_a_report_does_not_speak_of_ease_where_the_catalogue_is_too_large_for_it(tmp_path, made):
    columns = {"patient_id": names("p", made["user"]), "content_id": names("c", made["item"]), "time": made["time"]}
    told = roll(write(tmp_path, columns), "2024-01-24", "2024-01-25", "1d", "affinity.ease_items=30")
    assert told.report["fits"] == 1
    assert {"item_knn", "persona_rules"} <= set(told.report["overall"]["ndcg10_baselines"])
    assert "ease" not in told.report["overall"]["ndcg10_baselines"]


def test_the_future_changes_no_prediction(tmp_path, made):
    columns = {"patient_id": np.array(names("p", made["user"])), "content_id": np.array(names("c", made["item"]))}
    whole = columns | {"time": made["time"]}
    cut = begins("2024-01-24")
    kept = made["time"] < cut
    early = {name: np.asarray(value)[kept] for name, value in whole.items()}
    a = roll(write(tmp_path / "a", whole), "2024-01-22", "2024-01-25").predictions
    b = roll(write(tmp_path / "b", early), "2024-01-22", "2024-01-23").predictions
    first = a["at"] < cut
    for name in a:
        np.testing.assert_array_equal(a[name][first], b[name])


def test_a_touch_dated_after_it_was_known_does_not_end_the_lake(tmp_path, made):
    columns = {"patient_id": names("p", made["user"]), "content_id": names("c", made["item"]), "time": made["time"]}
    time = np.append(made["time"], START + 30_000 * DAY)
    known = pa.array(np.append(made["time"], made["time"][0])).cast(MOMENT)
    more = {"patient_id": [*columns["patient_id"], "p0"], "content_id": [*columns["content_id"], "c0"]}
    plain = readership(write(tmp_path / "a", columns), affinity_values())
    ahead = readership(write(tmp_path / "b", {**more, "time": time, "known_at": known}), affinity_values())
    assert (plain.ahead, ahead.ahead) == (0, 1)
    assert np.array_equal(ahead.touches.time, plain.touches.time)


def test_ratings_by_the_week_and_words(tmp_path):
    rng, made = np.random.default_rng(1), world(users=25, days=50)
    rated = {"patient_id": names("p", made["user"]), "content_id": names("c", made["item"]), "time": made["time"]}
    rated |= {"rating": rng.integers(1, 6, len(made["time"])).astype(float), "action": ["rate"] * len(made["time"])}
    contents = said(made) | {"published_at": made["born"], "format": ["article"] * len(made["topic"])}
    found = roll(write(tmp_path, rated, contents), "2024-02-05", "2024-02-12", "1w")
    assert found.report["every"] == "1w" and found.report["topic_calibration_kl"] is not None
    assert found.report["overall"]["ndcg10_gain"]["value"] > 0


def test_tags_without_times_and_cold_items(tmp_path, made):
    rng = np.random.default_rng(2)
    cold = rng.random(len(made["topic"])) < 0.25
    later = cold[made["item"]] | (rng.random(len(made["user"])) < 0.15)
    time = np.where(later, START + 5 * DAY, START)
    rows = {"patient_id": names("p", made["user"]), "content_id": names("c", made["item"]), "time": time}
    born = np.where(cold, START + 4 * DAY, START - DAY)
    found = roll(write(tmp_path, rows, said(made) | {"published_at": born}), "2024-01-05", "2024-01-08")
    fresh = found.report["cold_items"]
    assert found.report["user_days"] >= 50
    assert found.report["overall"]["ndcg10_gain"]["value"] > 0
    assert fresh["user_days"] > 20 and fresh["recall20_gain"]["value"] > 0


def test_cold_items_that_were_always_there_stand_apart_and_those_without_publication_are_counted(tmp_path, made):
    rng = np.random.default_rng(2)
    cold = rng.random(len(made["topic"])) < 0.25
    later = cold[made["item"]] | (rng.random(len(made["user"])) < 0.15)
    time = np.where(later, START + 5 * DAY, START)
    rows = {"patient_id": names("p", made["user"]), "content_id": names("c", made["item"]), "time": time}
    dated = said(made) | {"published_at": np.full(len(cold), START - DAY)}
    fresh = roll(write(tmp_path / "dated", rows, dated), "2024-01-06", "2024-01-06").report
    assert fresh["cold_items"]["user_days"] > 20 and fresh["cold_items"]["recall20_gain"]["value"] > 0
    assert fresh["touches_of_items_not_there"] == 0
    bare = roll(write(tmp_path / "bare", rows, said(made)), "2024-01-06", "2024-01-06").report
    pairs = pd.DataFrame({"user": made["user"], "item": made["item"]})[cold[made["item"]]].drop_duplicates()
    assert bare["cold_items"] == {"user_days": 0, "against": bare["cold_items"]["against"]}
    assert bare["touches_of_items_not_there"] == bare["of_them_in_contents_without_publication"] == len(pairs)
    assert "not judged" in told(bare) and "not judged" not in told(fresh)


def test_items_that_are_all_new_are_ranked_before_those_that_nobody_wants_now(tmp_path, made):
    new = np.random.default_rng(3).random(len(made["topic"])) < 0.3
    time = np.where(new[made["item"]], START + 5 * DAY, START)
    rows = {"patient_id": names("p", made["user"]), "content_id": names("c", made["item"]), "time": time}
    born = np.where(new, START + 4 * DAY, START - 30 * DAY)
    found = roll(write(tmp_path, rows, said(made) | {"published_at": born}), "2024-01-05", "2024-01-08")
    overall = found.report["overall"]
    assert overall["ndcg10"]["value"] > 0.4 and overall["ndcg10_baselines"]["popular_3h"] == 0


def test_the_command_writes_predictions_and_figures(tmp_path, made):
    rows = {"patient_id": names("p", made["user"]), "content_id": names("c", made["item"]), "time": made["time"]}
    write(tmp_path / "lake", rows)
    words = ["backtest", "content_affinity", "--lake", str(tmp_path / "lake"), "--every", "1d"]
    words += ["--from", "2024-01-24", "--to", "2024-01-25"]
    words += ["--predictions", str(tmp_path / "p.parquet"), "--out", str(tmp_path / "m.json")]
    for each in QUICK:
        words += ["--set", each]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "reference" in result.output
    schema = pq.read_schema(tmp_path / "p.parquet")
    assert schema.names == ["patient_id", "at", "content_id", "rank", "score"]
    report = json.loads((tmp_path / "m.json").read_text())
    assert {"newest", "popular_3h", "item_knn", "ease", "persona_rules"} <= set(report["overall"]["ndcg10_baselines"])
    assert {"coverage", "novelty_bits", "topic_calibration_kl", "cold_items", "cold_patients"} <= set(report)


def test_who_has_no_consent_is_neither_learnt_from_nor_ranked_for(tmp_path, made):
    patient = np.array(names("p", made["user"]))
    rows = {"patient_id": patient, "content_id": names("c", made["item"]), "time": made["time"]}
    write(tmp_path / "lake", rows)
    may = sorted(set(patient))[:40]
    consents = {
        "patient_id": may,
        "time": [START] * 40,
        "granted_at": [START] * 40,
        "purpose": ["model_development"] * 40,
    }
    consents |= {"basis": ["consent"] * 40, "separate": [True] * 40, "notice_version": ["1"] * 40}
    consents |= {"evidence_ref": ["scan"] * 40}
    consented(tmp_path / "lake", consents)
    found = roll(Lake(tmp_path / "lake"))
    kept = np.isin(patient, may)
    alone = roll(write(tmp_path / "alone", {name: np.asarray(each)[kept] for name, each in rows.items()}))
    for name, each in found.predictions.items():
        np.testing.assert_array_equal(each, alone.predictions[name])
    steps = {each["step"]: each["patients_out"] for each in found.report["attrition"]}
    assert steps["no consent to model_development"] == len(set(patient)) - 40
    assert "patients left out: no consent" in told(found.report)
    consented(tmp_path / "lake", consents | {"separate": [False] * 40})
    with pytest.raises(InputError, match="nobody has a current consent"):
        roll(Lake(tmp_path / "lake"))


def consented(folder: Path, columns: dict[str, Any]) -> None:
    """Write who consented."""
    (folder / "consents").mkdir(exist_ok=True)
    instants = {name: pa.array(columns[name]).cast(MOMENT) for name in ("time", "granted_at")}
    pq.write_table(pa.table(columns | instants), folder / "consents" / "part.parquet")


def test_mistakes_are_named(tmp_path, made):
    lake = write(tmp_path, {"patient_id": ["p"], "content_id": ["c"], "time": [START]})
    with pytest.raises(InputError, match="nothing was read before"):
        roll(lake, "2023-01-01", "2023-01-02")
    with pytest.raises(InputError, match=r"nobody opened .* goes from 2024-01-0. to 2024-01-2.; choose"):
        reading = dict(zip(("patient_id", "content_id", "time"),
                       (names("p", made["user"]), names("c", made["item"]), made["time"])))  # fmt: skip
        roll(write(tmp_path / "whole", reading), "2030-01-01", "2030-01-02")
    with pytest.raises(InputError, match="backtest --from: cannot read the time '2024-13-01'; write 2025-06-30"):
        begins("2024-13-01")
    with pytest.raises(InputError, match="write 1d"):
        duration("daily")
    assert begins("2024-01-01") == START


def test_deskdrop_is_read_with_and_without_articles(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "users_interactions.csv").write_text(
        "timestamp,eventType,contentId,personId,sessionId,userAgent,userRegion,userCountry\n"
        "1465413032,VIEW,-10,-1,9,,,\n1465413032,VIEW,-10,-1,9,,,\n1465413040,LIKE,-10,-1,9,,,\n"
        "1465413050,COMMENT CREATED,-20,-2,9,,,\n1465413060,DANCE,-20,-2,9,,,\n"
    )
    report = ingest("deskdrop", folder, tmp_path / "one")
    assert report.written["interactions"] == 3 and report.quarantined[("interactions", "malformed_resource")] == 1
    lake = Lake(tmp_path / "one")
    assert set(lake.read("interactions")["action"].to_pylist()) == {"view", "like", "comment"}
    assert lake.read("contents")["published_at"].null_count == 2
    (folder / "shared_articles.csv").write_text(
        "timestamp,eventType,contentId,authorPersonId,contentType,url,title,text,lang\n"
        "1465400000,CONTENT SHARED,-10,-7,HTML,,A title,,en\n1465500000,CONTENT REMOVED,-10,-7,HTML,,,,\n"
    )
    ingest("deskdrop", folder, tmp_path / "two")
    first = Lake(tmp_path / "two").read("contents").to_pylist()[0]
    assert (first["content_id"], first["title"], first["author"], first["language"]) == ("-10", "A title", "-7", "en")
    assert first["published_at"].timestamp() == 1465400000 and first["format"] == "article"
