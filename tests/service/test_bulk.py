"""A lake scored into one file: every row on record, consent row by row, taken up again where it was stopped."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from features.engine import Engine
from features.errors import InputError
from features.lake import Lake
from features.store import EventStore
from serving import bulk
from serving.bulk import Bulk
from serving.clock import Clock
from serving.ledger import Ledger
from serving.replay import replay
from serving.scores import SCHEMA
from serving.settings import serving
from tests.service.conftest import NOW, Hospital, build, people

TASKS = ("churn_90d", "diabetes_12m")
pytestmark = pytest.mark.slow


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    monkeypatch.setattr(bulk, "CHUNK", 3)
    return build(tmp_path / "home", tmp_path / "work")


def _run(hospital: Hospital, out: Path, tasks: tuple[str, ...] = TASKS, engine: Engine = Engine.local) -> Any:
    lake = Lake(hospital.home.parent / "work" / "lake")
    run = Bulk(hospital.home, lake, tasks, Clock(NOW), None, "operator", engine)
    try:
        return run.write(out)
    finally:
        run.close()


def test_every_row_is_on_record(hospital: Hospital, tmp_path: Path) -> None:
    counts = _run(hospital, tmp_path / "scores.parquet")
    table = pq.read_table(tmp_path / "scores.parquet")
    assert table.schema.names == SCHEMA.names
    found = table.to_pylist()
    patients = {row["patient_id"] for _, row in people()}
    assert {(row["patient_id"], row["task"]) for row in found} == {(who, task) for who in patients for task in TASKS}
    by = {(row["patient_id"], row["task"]): row for row in found}
    good = by[("ok-1", "churn_90d")]
    assert 0 < good["probability"] < 1 and good["band"] and good["reason_1"] and good["refused"] is None
    assert (good["label_due_at"] - good["at"]).days == 120
    assert by[("no-consent", "churn_90d")]["refused"] == "no_consent"
    assert by[("objects", "churn_90d")]["refused"] == "objected"
    assert by[("diabetic", "diabetes_12m")]["refused"] == "not_eligible"
    refused = Counter(row["refused"] for row in found if row["refused"])
    assert counts.refused == dict(refused) and counts.scored + sum(refused.values()) == len(found)
    ledger, store = Ledger(hospital.home / "ledger.db"), EventStore(hospital.home / "events.db")
    entries = {entry.id: entry for entry in ledger.entries("decision")}
    assert set(entries) == {row["decision_id"] for row in found} and len(entries) == len(found)
    assert entries[good["decision_id"]].payload["probability"] == good["probability"]
    assert replay(entries[good["decision_id"]], hospital.home, store, serving()).verdict == "equal"
    ledger.close()
    store.close()


def test_one_answer_in_bulk_and_asked_alone(hospital: Hospital, tmp_path: Path) -> None:
    from tests.service.test_production import ask

    _run(hospital, tmp_path / "scores.csv")
    raw = (tmp_path / "scores.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfdecision_id,")
    line = next(line for line in raw.decode("utf-8-sig").splitlines() if ",ok-2," in line and "churn_90d" in line)
    told = ask(hospital, {"patient_id": "ok-2", "tasks": ["churn_90d"], "purpose": "care_followup"})
    (decision,) = told.json()["decisions"]
    assert f",{decision['probability']!r},{decision['band']}," in line
    assert all(f",{reason['code']}" in line for reason in decision["reasons"])


def test_a_stopped_run_goes_on(hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, whole, seen = tmp_path / "scores.parquet", Bulk._chunk, 0

    def stopped(run: Bulk, *given: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == 3:
            raise KeyboardInterrupt
        whole(run, *given)

    monkeypatch.setattr(Bulk, "_chunk", stopped)
    with pytest.raises(KeyboardInterrupt):
        _run(hospital, out)
    with pytest.raises(InputError, match="another run"):
        _run(hospital, out, ("churn_90d",))
    parts = sorted((tmp_path / "scores.parquet.parts").glob("*.parquet"))
    assert len(parts) == 2 and not out.exists()
    parts[1].rename(parts[1].with_suffix(".new"))
    monkeypatch.setattr(Bulk, "_chunk", whole)
    _run(hospital, out)
    ledger = Ledger(hospital.home / "ledger.db")
    rows = pq.read_table(out)["decision_id"].to_pylist()
    assert sorted(rows) == sorted(entry.id for entry in ledger.entries("decision"))
    assert len(set(rows)) == len(rows) and not (tmp_path / "scores.parquet.parts").exists()
    ledger.close()


def test_a_withdrawal_in_the_middle_ends_the_scores(
    hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, store = Bulk._chunk, EventStore(hospital.home / "events.db")
    late = {row["patient_id"] for _, row in people()} - {"ageless", "bundled", "diabetic"}

    def withdrawn(run: Bulk, *given: Any) -> None:
        whole(run, *given)
        for name, row in people():
            if name == "consents" and row["patient_id"] in late:
                store.append("consents", [row | {"version": 2, "withdrawn_at": NOW}], NOW)

    monkeypatch.setattr(Bulk, "_chunk", withdrawn)
    _run(hospital, tmp_path / "scores.parquet", ("churn_90d",))
    rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    scored = {row["patient_id"] for row in rows if row["refused"] is None}
    assert scored == {"ageless", "diabetic"}
    assert {row["refused"] for row in rows if row["patient_id"] in ("ok-1", "ok-2", "ok-3")} == {"no_consent"}
    store.close()


def test_spark_scores_the_same(hospital: Hospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        pytest.skip("Spark needs Java 17, and there is none")
    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "spark"))
    monkeypatch.setenv("MASTER", "local[1]")
    told = []
    for engine in Engine:
        _run(hospital, tmp_path / f"{engine}.parquet", engine=engine)
        rows = pq.read_table(tmp_path / f"{engine}.parquet").drop_columns("decision_id").to_pylist()
        told.append(sorted(rows, key=lambda row: (row["patient_id"], row["task"])))
    assert told[0] == told[1] and len(list((tmp_path / "spark" / "cache").glob("*.npy"))) == 1
