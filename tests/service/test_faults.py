"""In one process, so that what is served can be damaged: no score leaves that does not add up or is not recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from starlette.testclient import TestClient

from serving import metrics
from serving.api import application
from serving.clock import Clock
from serving.desk import Desk
from serving.ledger import Ledger
from serving.watchman import Watchman
from tests.service.conftest import CLOCK, Hospital, build
from tests.service.databases import Database

ASKED = {"patient_id": "ok-1", "tasks": ["churn_90d"], "purpose": "care_followup", "explain": "full"}
CORRUPTIONS = 50
pytestmark = pytest.mark.slow


@pytest.fixture
def served(apart: Database, tmp_path: Path) -> Iterator[tuple[TestClient, Desk, Hospital]]:
    hospital = build(tmp_path / "home", tmp_path / "work")
    desk = Desk(hospital.home, Clock.at(CLOCK))
    with TestClient(application(desk), headers=hospital.headers("compliance")) as client:
        yield client, desk, hospital


def _faults() -> float:
    lines = [line for line in metrics.exposition().decode().splitlines() if 'faults_total{task="churn_90d"}' in line]
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


def _met(model: Any, row: np.ndarray) -> list[tuple[Any, tuple[int, ...]]]:
    """Return (table, place) of every leaf value, and of every inverse cover, of both casts."""
    tables = model.kernel.tables
    places = [(tables.leaf, (leaf, 0)) for leaf in range(len(tables.leaf))]
    return places + [(tables.inverse, place) for place in np.ndindex(tables.inverse.shape)]


def test_a_damaged_model_gives_no_score(served: tuple[TestClient, Desk, Hospital]) -> None:
    client, desk, _ = served
    assert client.post("/v1/score", json=ASKED).status_code == 200
    model = desk.models.served["churn_90d"].scorer.model
    places = _met(model, np.empty(0))
    rng = np.random.default_rng(11)
    before, head = _faults(), desk.ledger.head().seq
    for chosen in rng.choice(len(places), CORRUPTIONS, replace=False):
        table, place = places[chosen]
        kept = table[place]
        table.setflags(write=True)
        table[place] = kept + 2e-6 * (1 + abs(kept))
        answer = client.post("/v1/score", json=ASKED)
        table[place] = kept
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "explanation_fault")
        assert answer.headers["Retry-After"]
        assert "probability" not in answer.text
    assert _faults() - before == CORRUPTIONS
    assert "carepath_explanation_faults_total" in client.get("/metrics").text
    assert desk.ledger.head().seq == head
    assert client.post("/v1/score", json=ASKED).status_code == 200


def test_a_damaged_model_is_not_ready(served: tuple[TestClient, Desk, Hospital]) -> None:
    client, desk, _ = served
    assert client.get("/readyz").status_code == 200
    leaf = desk.models.served["churn_90d"].scorer.model.kernel.tables.leaf
    leaf.setflags(write=True)
    leaf[0, 0] += 1e-3
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
    assert "model churn_90d" in answer.json()["error"]["message"]


def test_without_a_record_there_is_no_answer(served: tuple[TestClient, Desk, Hospital]) -> None:
    client, desk, hospital = served
    desk.ledger.close()
    desk.ledger = Ledger(hospital.home / "ledger.db", patience_s=0.05)
    desk.watchman = Watchman(desk.ledger, desk.settings.watch)
    other = Ledger(hospital.home / "ledger.db")
    with other.writing():
        answer = client.post("/v1/score", json=ASKED)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_ledger")
        assert "probability" not in answer.text
        assert client.get("/readyz").status_code == 503
    other.close()
    assert client.post("/v1/score", json=ASKED).status_code == 200


def test_a_tampered_artefact_is_not_served(apart: Database, tmp_path: Path) -> None:
    hospital = build(tmp_path / "home", tmp_path / "work")
    model = next((hospital.home / "models" / "churn_90d").glob("*/model.txt"))
    model.write_text(model.read_text().replace("leaf_value=", "leaf_value=0", 1))
    with TestClient(
        application(Desk(hospital.home, Clock.at(CLOCK))), headers=hospital.headers("compliance")
    ) as client:
        assert client.get("/readyz").status_code == 503
        told = client.post("/v1/score", json=ASKED)
        assert (told.status_code, told.json()["error"]["code"]) == (503, "model_unavailable")
        assert told.headers["Retry-After"]
        others = {**ASKED, "tasks": ["diabetes_12m"]}
        assert client.post("/v1/score", json=others).status_code == 200


def test_too_many_waiting_is_429(served: tuple[TestClient, Desk, Hospital]) -> None:
    client, desk, _ = served
    desk.waiting = desk.settings.waiting_limit
    answer = client.post("/v1/score", json=ASKED)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_requests")
    assert answer.headers["Retry-After"]
    assert client.get("/livez").status_code == 200


def test_a_fault_of_ours_is_503_without_a_trace(served: tuple[TestClient, Desk, Hospital], database: Database) -> None:
    client, _, hospital = served
    if database.postgres:
        with psycopg.connect(database.url) as db:
            db.execute("DROP TABLE segments")
    else:
        sqlite3.connect(hospital.home / "events.db", isolation_level=None).execute("DROP TABLE segments")
    answer = client.post("/v1/score", json=ASKED)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert "Traceback" not in answer.text


def test_a_home_without_models_is_alive_and_not_ready(apart: Database, tmp_path: Path) -> None:
    from serving.access import demo_keys

    keys = demo_keys(tmp_path)
    with TestClient(application(Desk(tmp_path, Clock.at(CLOCK))), headers={"X-API-Key": keys["outreach"]}) as client:
        assert client.get("/livez").status_code == 200
        assert client.get("/readyz").status_code == 503
        assert client.post("/v1/score", json=ASKED).status_code in (403, 503)
