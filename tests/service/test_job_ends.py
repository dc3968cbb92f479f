"""How jobs end where something happens meanwhile: erasure, quotas, a frozen key, a model that is gone; empty lists."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from serving import jobs
from serving.api import application
from serving.clock import Clock
from serving.desk import Desk
from serving.job_schemas import JobRequest
from serving.listed import TASK
from serving.models import Models
from tests.service.conftest import CLOCK, Hospital, build
from tests.service.inside import keyed
from tests.service.test_jobs import ASKED, LISTS, finished

pytestmark = pytest.mark.slow
KINDS = pytest.mark.parametrize("asked", [ASKED, LISTS], ids=["score", "recommend"])


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    return build(tmp_path / "home", tmp_path / "work")


def opened(hospital: Hospital, who: str = "outreach", **settings: Any) -> tuple[TestClient, Desk]:
    desk = Desk(hospital.home, Clock.at(CLOCK))
    desk.settings = desk.settings.model_copy(update={"look_seconds": 0.05, **settings})
    return TestClient(application(desk), headers={"X-API-Key": hospital.keys[who]}), desk


def until(status: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return where a job stands once it is there."""
    for _ in range(600):
        if (job := look())["status"] == status:
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def read(client: TestClient, job: dict[str, Any]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in client.get(job["files"][0]["url"]).content.splitlines()]


def test_a_list_without_items_is_a_row(hospital: Hospital) -> None:
    client, desk = opened(hospital)
    with client:
        for item in desk.catalogue.items:
            client.delete(f"/v1/contents/{item.content_id}")
        job = finished(client, client.post("/v1/jobs", json=LISTS))
        lines = read(client, job)
    assert job["counts"]["scored"] == len([line for line in lines if line["refused"] is None]) > 1
    assert {line["content_id"] for line in lines} == {None} and all(line["list_id"] for line in lines)


@KINDS
def test_nobody_is_missed_where_an_erasure_falls_into_a_stop(hospital: Hospital, asked: dict[str, Any]) -> None:
    client, _ = opened(hospital, chunk=1)
    with client:
        place = client.post("/v1/jobs", json=asked).headers["Location"]
        while client.get(place).json()["done"] < 3:
            time.sleep(0.01)
    client, desk = opened(hospital)
    with client:
        everybody = {*desk.store.patients()}
    first = sorted(everybody)[0]
    client, desk = opened(hospital, chunk=1)
    with client:
        gone = client.delete(f"/v1/patients/{first}", headers=hospital.headers("compliance"))
        assert gone.status_code == 200, gone.text
        job = until("done", lambda: dict(client.get(place).json()))
        lines = read(client, job)
    assert job["done"] == job["patients"] == len(everybody)
    assert everybody - {first} <= {line["patient_id"] for line in lines} and first not in str(lines)
    left = {each.name for each in (hospital.home / "jobs").glob("*/*")}
    assert left == {"job.json", "lock", job["files"][0]["name"]}


def test_a_patient_erased_while_the_file_is_written_is_not_in_it(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = opened(hospital)
    written: list[int] = []

    def write(parts: Any, schema: pa.Schema, file: Path, kind: Any) -> None:
        tables = list(parts)
        if not written:
            gone = client.delete("/v1/patients/ok-1", headers=hospital.headers("compliance"))
            assert gone.status_code == 200, gone.text
        written.append(sum(table.num_rows for table in tables))
        original(tables, schema, file, kind)

    original: Callable[..., None] = jobs.write
    monkeypatch.setattr(jobs, "write", write)
    with client:
        job = finished(client, client.post("/v1/jobs", json={**LISTS, "format": "parquet"}))
        found = pq.read_table(io.BytesIO(client.get(job["files"][0]["url"]).content))
    assert "ok-1" not in found["patient_id"].to_pylist()
    assert written == [found.num_rows + 3, found.num_rows] and job["files"][0]["rows"] == found.num_rows


@KINDS
def test_a_quota_that_is_passed_ends_the_job(hospital: Hospital, asked: dict[str, Any]) -> None:
    hospital = keyed(hospital, "limited", patients_10min=2)
    client, desk = opened(hospital, "limited")
    with client:
        answer = client.post("/v1/jobs", json=asked)
        (file,) = (hospital.home / "jobs").glob("*/job.json")
        told = until("failed", lambda: dict(orjson.loads(file.read_bytes())))
        assert (answer.status_code, told["status"], told["error"], told["files"]) == (
            202,
            "failed",
            "quota_exceeded",
            [],
        )
        assert desk.watchman.frozen("limited")


def test_a_frozen_key_and_a_model_that_is_gone_end_the_job(hospital: Hospital) -> None:
    client, desk = opened(hospital)
    principal = desk.keys.named("outreach")
    assert principal is not None

    def frozen() -> dict[str, Any]:
        desk.watchman.freeze("outreach", "a test")
        return desk.jobs.add(principal, JobRequest(**ASKED))

    def without_a_model() -> dict[str, Any]:
        served = {name: each for name, each in desk.models.served.items() if name != TASK}
        desk.models = Models(served, desk.models.plan)
        return desk.jobs.add(principal, JobRequest(**LISTS))

    with client:
        for added, error in ((without_a_model, "unknown_task"), (frozen, "frozen")):
            job = client.portal.call(desk.run, added)  # type: ignore[union-attr]
            told = until("failed", lambda name=job["job_id"]: desk.jobs.job(principal, name))
            assert (told["status"], told["error"]) == ("failed", error)


def test_a_job_needs_the_scope_of_its_kind(hospital: Hospital) -> None:
    hospital = keyed(hospital, "scores-alone", scopes=["score"])
    client, _ = opened(hospital, "scores-alone")
    with client:
        answer = client.post("/v1/jobs", json=LISTS)
        assert (answer.status_code, answer.json()["error"]["field"]) == (403, "kind")
        finished(client, client.post("/v1/jobs", json=ASKED))
