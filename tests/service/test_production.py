"""What is in production changes under load: no failed request, no mixed answer, back within seconds."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import production
from serving.api import application
from serving.clock import Clock
from serving.desk import Desk
from serving.ledger import Ledger
from tests.service.conftest import CLOCK, Hospital, build, put_forward, scorer_of
from training.tasks import task as task_named

ASKED = {"patient_id": "ok-1", "tasks": ["churn_90d"], "purpose": "care_followup"}
MANY = {"patient_ids": [f"{who}-{n}" for n in (1, 2, 3) for who in ("ok", "nobody", "else")], "tasks": ["churn_90d"]}
pytestmark = pytest.mark.slow


def propose(work: Path, version: str, trees: int) -> Path:
    """Save another version of churn_90d and its proposal."""
    scorer = replace(scorer_of(task_named("churn_90d"), rows=600 + trees), calibration=(1.0, trees / 100))
    digest = scorer.save(work / f"churn-{version}", {})
    told = {"task": "churn_90d", "version": version, "digest": digest, "author": "scientist"}
    file = work / f"churn-{version}.json"
    put_forward(file, {**told, "artefact": str(work / f"churn-{version}")})
    return file


def ledger_of(hospital: Hospital) -> Ledger:
    return Ledger(hospital.home / "ledger.db")


def ask(hospital: Hospital, body: dict[str, Any]) -> httpx.Response:
    """Ask one score of a service of its own."""

    async def asked() -> httpx.Response:
        app = application(Desk(hospital.home, Clock.at(CLOCK)))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return await client.post("/v1/score", json=body, headers=hospital.headers("outreach"))

    return asyncio.run(asked())


async def _under_load(hospital: Hospital, act: Any, until: str) -> list[Any]:
    """Ask without pause, act once, and stop a few answers after the version awaited is seen."""
    desk = Desk(hospital.home, Clock.at(CLOCK))
    desk.settings = desk.settings.model_copy(update={"look_seconds": 0.05})
    app = application(desk)
    answers: list[httpx.Response] = []
    async with app.router.lifespan_context(app):
        transport, headers = httpx.ASGITransport(app), hospital.headers("outreach")
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:

            async def ask() -> None:
                seen = 0
                while seen < 3:
                    body, path = (ASKED, "/v1/score") if len(answers) % 2 else (MANY, "/v1/score/batch")
                    answer = await client.post(path, json={**body, "purpose": "care_followup"})
                    answers.append(answer)
                    seen += f'"version":"{until}"' in answer.text

            asking = [asyncio.create_task(ask()) for _ in range(3)]
            await asyncio.sleep(0.3)
            await asyncio.to_thread(act)
            await asyncio.wait_for(asyncio.gather(*asking), 30)
            models = (await client.get("/v1/models/churn_90d")).json()
            assert models["version"] == until
    return answers


def _versions(answers: list[httpx.Response]) -> list[set[str]]:
    found = []
    for answer in answers:
        assert answer.status_code == 200, answer.text
        told = answer.json()
        decisions = [each for line in told.get("results", [told]) for each in line["decisions"]]
        found.append({each["model"]["version"] for each in decisions})
    return found


def test_approve_and_rollback_under_load(tmp_path: Path) -> None:
    from serving import approvals

    hospital = build(tmp_path / "home", tmp_path / "work")
    proposal = propose(tmp_path / "work", "2", 7)

    def approve() -> None:
        ledger = ledger_of(hospital)
        approvals.approve(proposal, hospital.home, ledger, "compliance")
        ledger.close()

    def back() -> None:
        ledger = ledger_of(hospital)
        production.rollback(ledger, hospital.home, "churn_90d", "compliance")
        ledger.close()

    up = _versions(asyncio.run(_under_load(hospital, approve, "2")))
    down = _versions(asyncio.run(_under_load(hospital, back, "1")))
    assert all(len(each) == 1 for each in up + down)
    assert {"1"} in up and {"2"} in up and {"1"} in down and {"2"} in down
    ledger = ledger_of(hospital)
    terms = production.history(ledger, "churn_90d")
    assert [(term.version, term.how) for term in terms] == [("1", "approval"), ("2", "approval"), ("1", "rollback")]
    assert [term.until for term in terms] == [terms[1].since, terms[2].since, None]
    switched = [entry.header for entry in ledger.entries("change") if entry.header["change"] == "model.switched"]
    assert [each["version"] for each in switched if each["task"] == "churn_90d"] == ["1", "2", "1"]
    with pytest.raises(Exception, match="no version before"):
        production.rollback(ledger, hospital.home, "churn_90d", "compliance")
    ledger.close()


def test_the_history_of_a_task_that_was_never_approved_is_empty_and_says_so(tmp_path: Path, project: Path) -> None:
    ledger = Ledger(tmp_path / "home" / "ledger.db")
    assert production.history(ledger, "churn_90d") == []
    ledger.close()
    command = [sys.executable, "-m", "serving", "history", "churn_90d", "--home", str(tmp_path / "home")]
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'runs.db'}"}
    told = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0 and "no version of 'churn_90d' was ever approved" in told.stdout, told.stderr


def test_a_challenger_is_recorded_and_never_answered(tmp_path: Path) -> None:
    hospital = build(tmp_path / "home", tmp_path / "work")
    ledger = ledger_of(hospital)
    production.challenge(ledger, hospital.home, propose(tmp_path / "work", "2", 7), "compliance")
    told = ask(hospital, ASKED)
    (decision,) = told.json()["decisions"]
    assert decision["model"]["version"] == "1" and "shadow" not in told.text
    entry = ledger.entry("decision", decision["decision_id"])
    assert entry is not None
    beside = entry.payload["shadow"]
    assert beside["model"]["version"] == "2" and beside["probability"] != decision["probability"]
    production.dismiss(ledger, "churn_90d", "compliance")
    assert production.standing(ledger)["churn_90d"].challenger is None
    ledger.close()
