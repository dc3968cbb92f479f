"""A small hospital with approved models, the real service over it, and two keys."""

from __future__ import annotations

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import features
from features import instants
from features.instants import DAY
from features.lake import Lake
from features.params import section
from features.plan import compile_plan
from features.schema import table
from serving import approvals
from serving.access import demo_keys
from serving.ledger import Ledger
from serving.stores import event_store
from tests.service.databases import apart, database, server  # noqa: F401  # fixtures for every module
from training import manifest
from training.affinity.blend import BLEND, TREES
from training.affinity.readers import readership
from training.affinity.recommender import ORDER
from training.affinity.recommender import spec as affinity_spec
from training.affinity.state import to_files
from training.affinity.values import affinity_values
from training.models import logistic
from training.models.values import ModelValues
from training.scorer import Scorer
from training.signing import sign
from training.task import Task
from training.tasks import task as task_named

NOW = instants.parse("2025-06-30T08:00:00+08:00")
CLOCK = instants.iso(NOW)
PURPOSES = ("care_followup", "health_education")


@dataclass(frozen=True)
class Booster:
    """A fitted candidate as `Scorer.of` takes it."""

    booster: Any


def _event(table: str, patient: str, days_ago: float, number: int, **columns: Any) -> tuple[str, dict[str, Any]]:
    at = NOW - int(days_ago * DAY)
    row = {
        "patient_id": patient,
        "event_id": f"{patient}-{table}-{number}",
        "time": at,
        "known_at": at,
        "source": "his",
        "version": 1,
        "void": False,
    }
    return table, row | columns


def patient(name: str, **without: bool) -> list[tuple[str, dict[str, Any]]]:
    """Return the events of one adult with hypertension, two years of visits and separate consents."""
    rows = [
        _event(
            "patients",
            name,
            2000,
            0,
            birth_date=NOW - 58 * 365 * DAY,
            sex="female",
            region_code="110105",
            insurance="employee",
            registered_at=NOW - 2000 * DAY,
        ),
        _event("diagnoses", name, 900, 0, code_system="ICD-10", code="I10", display="hypertension"),
    ]
    rows += [
        _event("encounters", name, ago, number, kind="outpatient", status="finished", fee=80.0 + number)
        for number, ago in enumerate((20, 75, 130, 200, 310, 420, 500))
    ]
    rows += [
        _event("observations", name, ago, number, code_system="LOINC", code="8480-6", value=value, unit="mmHg")
        for number, (ago, value) in enumerate(((20, 152.0), (130, 148.0), (310, 139.0)))
    ]
    rows += [
        _event("observations", name, 75, 9, code_system="LOINC", code="4548-4", value=5.9, unit="%"),
        _event("observations", name, 75, 10, code_system="LOINC", code="39156-5", value=28.4, unit="kg/m2"),
    ]
    rows += [
        _event("interactions", name, ago, number, channel="app", action="view", content_id="c1")
        for number, ago in enumerate((1, 5, 40))
    ]
    if without.get("consent", True):
        rows += [_consent(name, number, purpose) for number, purpose in enumerate(PURPOSES)]
    return rows


def _consent(name: str, number: int, purpose: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    columns = {
        "purpose": purpose,
        "basis": "consent",
        "categories": ["visits", "laboratory"],
        "granted_at": NOW - 400 * DAY,
        "method": "app",
        "evidence_ref": f"{name}-paper-{number}",
        "notice_version": "2025-01",
        "separate": True,
        "automated_decision": "allowed",
    }
    return _event("consents", name, 400, number, **(columns | changes))


def people() -> list[tuple[str, dict[str, Any]]]:
    """Return every patient of the small hospital; each but the first differs in one respect."""
    rows = [row for name in ("ok-1", "ok-2", "ok-3") for row in patient(name)]
    rows += patient("no-consent", consent=False)
    rows += patient("objects", consent=False)
    rows.append(_consent("objects", 0, "care_followup", automated_decision="objected"))
    rows += patient("bundled", consent=False)
    rows.append(_consent("bundled", 0, "care_followup", separate=False))
    rows += patient("left")
    rows.append(_event("status_changes", "left", 10, 0, kind="transferred"))
    rows += patient("diabetic")
    rows.append(_event("diagnoses", "diabetic", 100, 9, code_system="ICD-10", code="E11.9", display="diabetes"))
    ageless = patient("ageless")
    ageless[0][1]["birth_date"] = None
    return rows + ageless


def spec_of(task: Task) -> Any:
    """Return the vector of the features that a task's models read."""
    groups = (*features.catalogue(), *task.own)
    wanted = [each.name for each in compile_plan(groups).spec.features if each.group in task.inputs.clinical_groups]
    return compile_plan(groups, wanted).spec


def scorer_of(task: Task, rows: int = 600, spec: Any = None) -> Scorer:
    """Fit small trees to made-up vectors: real names, real definitions, no real patients."""
    import lightgbm

    spec = spec or spec_of(task)
    rng = np.random.default_rng(len(spec.names))
    x = np.round(rng.gamma(2.0, 20.0, (rows, len(spec.names))), 2)
    x[rng.random(x.shape) < 0.3] = np.nan
    weights = rng.normal(size=len(spec.names)) * (rng.random(len(spec.names)) < 0.5)
    y = (np.nan_to_num(x, nan=30.0) @ weights > np.median(np.nan_to_num(x, nan=30.0) @ weights)).astype(float)
    data = lightgbm.Dataset(x, y, feature_name=list(spec.names), params={"verbosity": -1})
    settings = {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 20, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train({**settings, "deterministic": True, "seed": 1}, data, 30)
    return Scorer.of(
        Booster(booster),
        task=task.name,
        horizon_days=task.horizon_days,
        spec=spec,
        bands=(0.2, 0.5, 0.8),
        calibration=(0.9, -0.3),
    )


def put_forward(file: Path, told: dict[str, Any]) -> None:
    """Write a proposal, signed by a key of its author's that lies beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAREPATH_HOME", str(file.parent / "authors"))
        file.write_bytes(orjson.dumps({**told, "signature": sign(told, told["author"])}))


def approved(
    home: Path, work: Path, scorer: Scorer, card: dict[str, Any], beside: dict[str, str | bytes] | None = None
) -> None:
    """Save an artefact and take it through a proposal and its approval."""
    task = scorer.task
    digest = scorer.save(work / task, card, beside)
    assert manifest.digest_of(work / task) == digest
    proposal = work / f"{task}.json"
    told = {"task": task, "version": "1", "digest": digest, "author": "scientist", "artefact": str(work / task)}
    put_forward(proposal, told)
    ledger = Ledger(home / "ledger.db")
    approvals.approve(proposal, home, ledger, "compliance", "dr-li")
    ledger.close()


@functools.cache
def self_test_scorer() -> Scorer:
    """Fit a small logistic regression to made-up answers."""
    from features.vector import Feature, VectorSpec

    task = task_named("self_test_diabetes")
    assert task.questionnaire is not None
    spec = VectorSpec(
        tuple(
            Feature(
                name=each.name,
                label_zh=each.zh,
                label_en=each.en,
                unit=each.unit,
                group=each.clinical_group,
                days=None,
                purposes=("self_test",),
                protected=each.protected,
                actionable=each.actionable,
                definition={"questionnaire": task.name, "of": each.of or each.name},
            )
            for each in task.questionnaire.inputs
        )
    )
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, len(spec.names))) * 10 + 50
    y = (x[:, 0] + x[:, 1] + rng.normal(size=400) * 10 > 100).astype(float)
    values = section("models", ModelValues)
    fitted = logistic.fit(x, y, np.arange(400).astype(str), spec.names, spec.names, values)
    return Scorer.of(
        fitted,
        task=task.name,
        horizon_days=0,
        spec=spec,
        bands=(0.2, 0.5, 0.8),
        calibration=(1.0, 0.0),
    )


def affinity(opened: Lake, seed: int = 3) -> tuple[Scorer, dict[str, str | bytes]]:
    """Fit a small ranker and head to made-up rows, with the state of the small hospital's items beside them."""
    import lightgbm

    task, values = task_named("content_affinity"), affinity_values()
    spec = affinity_spec(task.purposes)
    rng = np.random.default_rng(seed)
    x = rng.gamma(2.0, 1.0, (500, len(spec.names)))
    wanted = x[:, spec.names.index("readers")] + 2 * x[:, spec.names.index("condition")] - x[:, spec.names.index("age")]
    settings = {"num_leaves": 7, "min_data_in_leaf": 20, "verbosity": -1, "num_threads": 1, "deterministic": True}

    def booster(y: np.ndarray, objective: str) -> Any:
        data = lightgbm.Dataset(x, y, feature_name=list(spec.names), params={"verbosity": -1})
        return lightgbm.train({**settings, "objective": objective, "seed": 1}, data, 30)

    scorer = Scorer.of(
        Booster(booster((wanted > 3).astype(float), "binary")),
        task=task.name,
        horizon_days=1,
        spec=spec,
        bands=(0.2, 0.5, 0.8),
        calibration=(1.0, 0.0),
    )
    given = readership(opened, values)
    state = to_files(given.stage(NOW - DAY, values), given.items)
    return scorer, {ORDER: booster(wanted, "regression").model_to_string(), BLEND: TREES.text(), **state}


def contents() -> list[dict[str, Any]]:
    """Return the small hospital's items: seven to show, and one withheld for each reason."""
    good: dict[str, Any] = {
        "topics": ["diet"],
        "layer": "basic",
        "format": "article",
        "published_at": NOW - 30 * DAY,
        "expires_at": NOW + 300 * DAY,
        "reviewers": ["d1", "d2", "d3"],
        "contraindications": [],
        "sensitive": False,
    }
    rows = [{**good, "content_id": f"c{number}", "title": f"item {number}"} for number in range(8)]
    rows[3] |= {"topics": ["hypertension"]}
    withheld: dict[str, dict[str, Any]] = {
        "not_published": {"published_at": NOW + DAY},
        "not_reviewed": {"reviewers": ["d1", "d2"]},
        "expired": {"expires_at": NOW - DAY},
        "wording": {"title": "治愈率第一"},
        "age": {"min_age": 80.0},
        "contraindicated": {"contraindications": ["hypertension"]},
        "sensitive": {"sensitive": True},
    }
    return rows + [{**good, "title": why, **changes, "content_id": why} for why, changes in withheld.items()]


@dataclass(frozen=True)
class Hospital:
    """A state folder ready to be served, and its keys."""

    home: Path
    keys: dict[str, str]

    def headers(self, who: str) -> dict[str, str]:
        return {"X-API-Key": self.keys[who]}


def lake(folder: Path) -> Lake:
    """Write the small hospital as a lake."""
    by_table: dict[str, list[dict[str, Any]]] = {}
    for name, row in people():
        by_table.setdefault(name, []).append(row)
    by_table["contents"] = contents()
    for name, rows in by_table.items():
        schema = table(name).arrow()
        columns = [pa.array([row.get(column.name) for row in rows], column.type) for column in schema]
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.table(columns, schema=schema), folder / name / "small.parquet")
    return Lake(folder)


def build(home: Path, work: Path) -> Hospital:
    """Fill a state folder: events, models with approvals, keys."""
    home.mkdir(parents=True, exist_ok=True)
    store = event_store(home)
    store.load(lake(work / "lake"))
    store.close()
    for name, card in (("churn_90d", {}), ("diabetes_12m", {}), ("copd_12m", {"exploratory": True})):
        approved(home, work, scorer_of(task_named(name)), card)
    approved(home, work, self_test_scorer(), {})
    scorer, beside = affinity(Lake(work / "lake"))
    approved(home, work, scorer, {}, beside)
    return Hospital(home, demo_keys(home))


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    root = tmp_path_factory.mktemp("hospital")
    return build(root / "home", root / "work")


@dataclass(frozen=True)
class Running:
    """A served hospital: a client for each key, and what the service has printed so far."""

    url: str
    hospital: Hospital
    output: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def client(self, who: str | None = "outreach") -> httpx.Client:
        headers = self.hospital.headers(who) if who else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30.0)

    def log(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def start(hospital: Hospital, output: Path, clock: str = CLOCK) -> Running:
    """Start ``python -m serving serve`` and wait until it is ready."""
    port = free_port()
    command = [sys.executable, "-m", "serving", "serve", "--home", str(hospital.home)]
    with output.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--clock", clock],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).resolve().parents[2],
            start_new_session=True,
        )
    running = Running(f"http://127.0.0.1:{port}", hospital, output, process)
    for _ in range(240):
        if process.poll() is not None:
            raise RuntimeError(running.log())
        try:
            if httpx.get(f"{running.url}/readyz").status_code == 200:
                return running
        except httpx.TransportError:
            pass
        time.sleep(0.25)
    stop(running)
    raise RuntimeError(running.log())


def stop(running: Running) -> None:
    """Stop the service and the workers it started."""
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGTERM)
        try:
            running.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(running.process.pid, signal.SIGKILL)
            running.process.wait(5)


@pytest.fixture(scope="session")
def service(hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(hospital, tmp_path_factory.mktemp("service") / "output.txt")
    yield running
    stop(running)


@pytest.fixture
def outreach(service: Running) -> Iterator[httpx.Client]:
    with service.client("outreach") as client:
        yield client


@pytest.fixture
def compliance(service: Running) -> Iterator[httpx.Client]:
    with service.client("compliance") as client:
        yield client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever needs the served hospital is slow: it waits for BentoML to start."""
    for item in items:
        if "service" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


REQUEST_ID = re.compile(r"[0-9a-f]{32}")
