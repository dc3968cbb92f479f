"""Scores and lists of many patients as a file: drawn, scored, written, handed out, taken up again."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from features import instants
from features.instants import DAY
from serving import listings
from serving.api import application
from serving.clock import Clock
from serving.desk import Desk
from serving.replay import replay as replayed
from serving.scores import SCHEMA
from serving.sheet import table, write
from tests.service.conftest import CLOCK, NOW, Hospital, build

ASKED: dict[str, Any] = {"kind": "score", "tasks": ["churn_90d"], "purpose": "care_followup", "cohort": "all"}
LISTS: dict[str, Any] = {"kind": "recommend", "k": 3, "channel": "app", "purpose": "health_education", "cohort": "all"}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    root = tmp_path_factory.mktemp("jobs")
    return build(root / "home", root / "work")


@pytest.fixture
def served(hospital: Hospital) -> Iterator[tuple[TestClient, Desk]]:
    desk = Desk(hospital.home, Clock.at(CLOCK))
    with TestClient(application(desk), headers=hospital.headers("outreach")) as client:
        yield client, desk


def finished(client: TestClient, answer: httpx.Response) -> dict[str, Any]:
    """Return where a job stands once it is over."""
    assert answer.status_code == 202, answer.text
    for _ in range(600):
        found: dict[str, Any] = client.get(answer.headers["Location"]).json()
        if found["status"] not in ("queued", "running"):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_a_job_gives_a_file_with_every_row_on_record(served: tuple[TestClient, Desk]) -> None:
    client, desk = served
    job = finished(client, client.post("/v1/jobs", json=ASKED))
    assert job["status"] == "done" and job["done"] == job["patients"] and job["expires_at"]
    (told,) = job["files"]
    content = client.get(told["url"]).content
    assert hashlib.sha256(content).hexdigest() == told["sha256"] and len(content) == told["bytes"]
    lines = [orjson.loads(line) for line in content.splitlines()]
    assert len(lines) == told["rows"] == job["counts"]["scored"] + sum(job["counts"]["refused"].values())
    assert list(lines[0]) == SCHEMA.names and job["counts"]["refused"]["no_consent"] == 2
    assert all(desk.ledger.entry("decision", line["decision_id"]) for line in lines)


def test_formats_cohorts_and_the_highest(served: tuple[TestClient, Desk]) -> None:
    client, _ = served
    some = {**ASKED, "cohort": "patient_ids", "patient_ids": ["ok-1", "ok-2", "nobody"]}
    job = finished(client, client.post("/v1/jobs", json={**some, "format": "parquet", "top": 1}))
    table = pq.read_table(io.BytesIO(client.get(job["files"][0]["url"]).content))
    assert table.num_rows == 1 and job["counts"] == {"scored": 2, "refused": {"unknown_patient": 1}}
    changed = {**ASKED, "cohort": "changed_since", "changed_since": CLOCK, "format": "csv"}
    job = finished(client, client.post("/v1/jobs", json=changed))
    assert job["patients"] == 0 and client.get(job["files"][0]["url"]).content.startswith(b"\xef\xbb\xbfdecision_id")


@pytest.mark.parametrize("wrong", [{"cohort": "patient_ids"}, {"patient_ids": ["ok-1"]}, {"top": 0}, {"format": "xml"}])
def test_a_job_that_makes_no_sense_is_refused(served: tuple[TestClient, Desk], wrong: dict[str, Any]) -> None:
    answer = served[0].post("/v1/jobs", json={**ASKED, **wrong})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_request")


def test_a_key_gives_the_same_job_and_nobody_else_sees_it(served: tuple[TestClient, Desk], hospital: Hospital) -> None:
    client, _ = served
    key = {"Idempotency-Key": "one"}
    first, again = (client.post("/v1/jobs", json=ASKED, headers=key) for _ in range(2))
    assert again.status_code == 202 and first.headers["Location"] == again.headers["Location"]
    other = client.post("/v1/jobs", json={**ASKED, "top": 3}, headers=key)
    assert other.status_code == 409
    hidden = client.get(first.headers["Location"], headers=hospital.headers("compliance"))
    assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "unknown_job")
    finished(client, first)


@pytest.mark.parametrize("kind", ["ndjson", "csv", "parquet"])
def test_a_file_without_an_erased_patient_is_told_of_as_it_is(tmp_path: Path, kind: str) -> None:
    hospital = build(tmp_path / "home", tmp_path / "work")
    desk = Desk(hospital.home, Clock.at(CLOCK))
    with TestClient(application(desk), headers=hospital.headers("outreach")) as client:
        job = finished(client, client.post("/v1/jobs", json={**ASKED, "format": kind}))
        waiting = client.post("/v1/jobs", json={**ASKED, "cohort": "patient_ids", "patient_ids": ["ok-1", "ok-2"]})
        finished(client, waiting)
        gone = client.delete("/v1/patients/ok-1", headers=hospital.headers("compliance"))
        assert gone.status_code == 200, gone.text
        after = client.get(f"/v1/jobs/{job['job_id']}").json()
        (before,), (told,) = job["files"], after["files"]
        content = client.get(told["url"]).content
    assert b"ok-1" not in content
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (told["sha256"], told["bytes"])
    assert (told["rows"], told["sha256"] != before["sha256"]) == (before["rows"] - 1, True)
    for file in (hospital.home / "jobs").rglob("*.*"):
        assert b"ok-1" not in file.read_bytes(), file.name


def test_files_expire_after_a_day_of_the_clock(hospital: Hospital) -> None:
    def asked(clock: int) -> tuple[TestClient, Desk]:
        desk = Desk(hospital.home, Clock(clock))
        return TestClient(application(desk), headers=hospital.headers("outreach")), desk

    client, _ = asked(NOW)
    with client:
        job = finished(client, client.post("/v1/jobs", json=ASKED))
    assert instants.parse(job["expires_at"]) - instants.parse(job["created_at"]) == DAY
    url = job["files"][0]["url"]
    for later, status, there in ((DAY - 1, "done", True), (DAY, "expired", False)):
        client, desk = asked(NOW + later)
        desk.settings = desk.settings.model_copy(update={"look_seconds": 0.05})
        with client:
            assert client.get(f"/v1/jobs/{job['job_id']}").json()["status"] == status
            answer = client.get(url)
            assert (answer.status_code == 200) is there
            time.sleep(0 if there else 0.5)
    assert answer.json()["error"]["code"] == "unknown_file"
    assert not (hospital.home / "jobs" / job["job_id"] / "scores.ndjson").exists()


def test_a_job_left_in_the_middle_goes_on(hospital: Hospital) -> None:
    desk = Desk(hospital.home, Clock.at(CLOCK))
    desk.settings = desk.settings.model_copy(update={"chunk": 1})
    with TestClient(application(desk), headers=hospital.headers("outreach")) as client:
        place = client.post("/v1/jobs", json=ASKED).headers["Location"]
        while client.get(place).json()["done"] < 2:
            time.sleep(0.01)
    later = Desk(hospital.home, Clock.at(CLOCK))
    later.settings = later.settings.model_copy(update={"look_seconds": 0.05})
    with TestClient(application(later), headers=hospital.headers("outreach")) as client:
        for _ in range(600):
            job = client.get(place).json()
            if job["status"] == "done":
                break
            time.sleep(0.05)
        lines = client.get(job["files"][0]["url"]).text.splitlines()
    patients = [orjson.loads(line)["patient_id"] for line in lines]
    assert len(patients) == len(set(patients)) == job["patients"]


def test_lists_for_many_are_judged_and_recorded_one_by_one(served: tuple[TestClient, Desk]) -> None:
    client, desk = served
    some = {**LISTS, "cohort": "patient_ids", "patient_ids": ["ok-1", "no-consent", "nobody", "ok-2"]}
    job = finished(client, client.post("/v1/jobs", json={**some, "format": "parquet"}))
    assert (job["status"], job["kind"], job["done"]) == ("done", "recommend", 4), job
    assert job["counts"] == {"scored": 2, "refused": {"no_consent": 1, "unknown_patient": 1}}
    (told,) = job["files"]
    found = pq.read_table(io.BytesIO(client.get(told["url"]).content))
    assert found.schema.names == listings.SCHEMA.names and told["name"] == "lists.parquet"
    rows = found.to_pylist()
    assert [(row["patient_id"], row["slot"], row["refused"]) for row in rows] == [
        *(("ok-1", slot, None) for slot in (1, 2, 3)),
        ("no-consent", None, "no_consent"),
        ("nobody", None, "unknown_patient"),
        *(("ok-2", slot, None) for slot in (1, 2, 3)),
    ]
    assert all(row["reason_1"] and 0 < row["affinity"] < 1 for row in rows if row["slot"])
    for row in rows:
        entry = desk.ledger.entry("list", row["list_id"])
        assert entry is not None and entry.header["outcome"] == (row["refused"] or "listed")
        assert (entry.header["subject"] is None) == (row["patient_id"] == "nobody")
        if row["slot"]:
            shown = entry.payload["items"][row["slot"] - 1]
            assert [shown[name] for name in ("content_id", "propensity", "sampled")] == [
                row[name] for name in ("content_id", "propensity", "sampled")
            ]
    told = {row["patient_id"]: replay(desk, row["list_id"]) for row in rows}
    assert told == dict.fromkeys(("ok-1", "no-consent", "nobody", "ok-2"), "equal")


def replay(desk: Desk, list_id: str) -> str:
    entry = desk.ledger.entry("list", list_id)
    assert entry is not None
    return replayed(entry, desk.home, desk.store, desk.settings).verdict


def test_the_same_list_for_everyone_needs_no_consent(served: tuple[TestClient, Desk]) -> None:
    client, _ = served
    job = finished(client, client.post("/v1/jobs", json={**LISTS, "personalised": False, "format": "csv"}))
    assert job["counts"]["refused"].keys() <= {"acute_flag"} and job["counts"]["scored"] > 1
    assert client.get(job["files"][0]["url"]).text.startswith("\ufefflist_id,patient_id,at,slot,content_id")


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"k": None}, 422, "k"),
        ({"k": 51}, 422, "k"),
        ({"channel": "pigeon"}, 422, "channel"),
        ({"tasks": ["churn_90d"]}, 422, "tasks"),
        ({"top": 3}, 422, "top"),
        ({"purpose": "care_followup"}, 403, "purpose"),
        ({"kind": "score", "tasks": ["churn_90d"], "channel": None}, 422, "k"),
        ({"kind": "score", "k": None, "channel": None}, 422, "tasks"),
        ({"tasks": None, "top": None, "exploratory": False}, 202, None),
    ],
)
def test_fields_and_purposes_go_with_the_kind(
    served: tuple[TestClient, Desk], changes: dict[str, Any], status: int, field: str | None
) -> None:
    client, _ = served
    answer = client.post("/v1/jobs", json={**LISTS, "cohort": "patient_ids", "patient_ids": ["ok-1"], **changes})
    assert answer.status_code == status, answer.text
    if status == 202:
        finished(client, answer)
    else:
        assert answer.json()["error"]["field"] == field


def test_a_formula_is_not_run_by_a_spreadsheet(tmp_path: Path) -> None:
    row = {**dict.fromkeys(SCHEMA.names), "at": NOW, "label_due_at": NOW, "probability": 0.5}
    row |= {"patient_id": "=1+1", "task": "@x"}
    write([table([row], SCHEMA)], SCHEMA, tmp_path / "scores.csv", "csv")
    line = (tmp_path / "scores.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    assert ",'=1+1," in line and ",'@x," in line and ",0.5," in line
