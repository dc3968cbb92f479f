"""Consent where it decides: in the middle of a batch, by feature group, and for those who refuse automation."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import features
from features.plan import compile_plan
from serving import approvals
from serving.ledger import Ledger
from tests.service.conftest import Hospital, put_forward, scorer_of
from tests.service.databases import Database
from tests.service.inside import ASKED, Inside, made, served
from training.scorer import Scorer
from training.task import Task
from training.tasks import task as task_named

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hospital(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return made(tmp_path_factory.mktemp("purpose"))


@pytest.fixture
def inside(hospital: Hospital) -> Iterator[Inside]:
    with served(hospital) as found:
        yield found


def _outcomes(inside: Inside, after: int, patient_id: str) -> list[tuple[int, str]]:
    """Return (number, outcome) of what the ledger holds of a patient after an entry."""
    subject = inside.desk.ledger.keys.reference(patient_id)
    entries = inside.desk.ledger.where("subject = ? AND seq > ?", (subject, after), 10_000)
    return [(entry.seq, entry.header["outcome"]) for entry in entries if entry.kind == "decision"]


def test_no_score_follows_a_withdrawal_in_the_middle_of_batches(inside: Inside) -> None:
    """Batches run on four threads while consents go: by the ledger's order no score comes after its withdrawal."""
    batch = {"patient_ids": ["ok-1", "ok-2", "ok-3"], "tasks": ["churn_90d"], "purpose": "care_followup"}
    stop, answers = threading.Event(), list[int]()

    def score() -> None:
        while not stop.is_set():
            answer = inside.client.post("/v1/score/batch", json=batch, headers=inside.as_("outreach"))
            answers.append(answer.status_code)

    threads = [threading.Thread(target=score) for _ in range(4)]

    def a_batch_later() -> None:
        enough = len(answers) + len(threads) + 1  # one of them at least was asked for after this moment
        while len(answers) < enough and any(thread.is_alive() for thread in threads):
            time.sleep(0.01)

    for thread in threads:
        thread.start()
    a_batch_later()
    for patient_id in batch["patient_ids"]:
        for _ in range(5):
            inside.consent(patient_id, withdrawn_at="2025-06-30T08:00:00+08:00")
            inside.consent(patient_id)
        inside.consent(patient_id, withdrawn_at="2025-06-30T08:00:00+08:00")
    a_batch_later()
    stop.set()
    for thread in threads:
        thread.join()
    assert set(answers) == {200}
    for patient_id in batch["patient_ids"]:
        subject = inside.desk.ledger.keys.reference(patient_id)
        entries = reversed(inside.desk.ledger.where("subject = ?", (subject,), 100_000))
        stands, scored, refused = True, 0, 0
        for entry in entries:
            if entry.kind == "consent":
                stands = not entry.header["withdrawn"]
            elif entry.kind == "decision" and entry.header["purpose"] == batch["purpose"]:
                assert (entry.header["outcome"] == "scored") is stands, entry.seq
                scored, refused = scored + stands, refused + (not stands)
        assert scored > 0
        assert refused > 0
        inside.consent(patient_id)


def test_no_list_follows_a_withdrawal_that_came_while_it_was_made(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consent is withdrawn after it was read and before the list is recorded: the list is made again."""
    from serving.routes import recommend

    made_before, turns = recommend.for_one, list[str]()

    def overtaken(*args: Any) -> Any:
        listed = made_before(*args)
        turns.append(listed.header["outcome"])
        if len(turns) == 1:
            with inside.desk.ledger.writing() as appender:
                appender.turn("ok-1")
        return listed

    monkeypatch.setattr(recommend, "for_one", overtaken)
    body = {"patient_id": "ok-1", "k": 3, "channel": "app", "purpose": "health_education"}
    before = inside.desk.ledger.head().seq
    answer = inside.client.post("/v1/recommend", json=body, headers=inside.as_("outreach")).json()
    assert turns == ["listed", "listed"]
    entries = inside.desk.ledger.where("kind = 'list' AND seq > ?", (before,), 10)
    assert [entry.id for entry in entries] == [answer["list_id"]]


def test_a_withdrawal_is_told_to_callers(inside: Inside) -> None:
    inside.consent("ok-1", withdrawn_at="2025-06-30T08:00:00+08:00")
    inside.consent("ok-1", automated_decision="objected")
    lines = inside.client.get("/v1/changes", headers=inside.as_("outreach")).text.splitlines()
    told = [orjson.loads(line) for line in lines]
    assert [each["kind"] for each in told if each.get("patient_id") == "ok-1"][-2:] == [
        "consent.withdrawn",
        "objection.made",
    ]
    inside.consent("ok-1")


def test_who_refuses_automation_is_queued_for_a_person(inside: Inside) -> None:
    decision = inside.score(patient_id="objects")
    assert (decision["refused"]["code"], decision["refused"]["action"]) == ("objected", "send_to_person")
    queue = inside.client.get("/v1/decisions?refused=objected", headers=inside.as_("compliance")).json()["decisions"]
    assert decision["decision_id"] in {each["decision_id"] for each in queue}
    assert {each["patient_id"] for each in queue} == {"objects"}


def test_a_consent_is_an_entry_of_the_ledger(inside: Inside) -> None:
    inside.consent("ok-2")
    entry = inside.desk.ledger.latest("consent", 1)[0]
    assert (entry.header["purpose"], entry.header["withdrawn"], entry.header["principal"]) == (
        "care_followup",
        False,
        "outreach",
    )
    assert "ok-2" not in str({**entry.header, "consent_id": ""})


def _consents(inside: Inside, **said: Any) -> Any:
    body = {"patient_id": "ok-3", "purpose": "care_followup", **said}
    return inside.client.post("/v1/consents", json=body, headers=inside.as_("outreach"))


def test_a_consent_is_taken_back_as_easily_as_it_is_given(inside: Inside) -> None:
    """PIPL 15: who withdraws, or objects, says for what, and need not find the paper again."""
    assert inside.score(patient_id="ok-3")["probability"] is not None
    gone = {"withdrawn_at": "2025-06-30T08:00:00+08:00"}
    told, again = (_consents(inside, **gone).json() for _ in range(2))
    assert (told["consent_id"], told["result"]) == ("ok-3-consents-0", "stored")
    assert (again["version"], again["result"]) == (told["version"], "duplicate")
    assert inside.score(patient_id="ok-3")["refused"]["code"] == "no_consent"
    inside.consent("ok-3")
    assert _consents(inside, automated_decision="objected").json()["consent_id"] == "ok-3-consents-0"
    assert inside.score(patient_id="ok-3")["refused"]["code"] == "objected"
    inside.consent("ok-3")
    assert inside.score(patient_id="ok-3")["probability"] is not None


def test_who_never_consented_can_withdraw_before_an_older_paper_comes_in(inside: Inside) -> None:
    asked = {"patient_id": "no-consent", "withdrawn_at": "2025-06-30T08:00:00+08:00"}
    assert _consents(inside, **asked).json()["version"] == 1
    inside.consent("no-consent")
    assert inside.score(patient_id="no-consent")["refused"]["code"] == "no_consent"


def test_a_consent_needs_no_id_of_ours_and_all_that_proves_it(inside: Inside) -> None:
    paper: dict[str, Any] = {
        "granted_at": "2025-06-01T08:00:00+08:00",
        "method": "app",
        "notice_version": "2025-01",
        "separate": True,
    }
    paper["patient_id"] = "diabetic"
    told, again = (_consents(inside, **paper, evidence_ref="scan-1").json() for _ in range(2))
    assert (again["consent_id"], again["result"]) == (told["consent_id"], "duplicate")
    for body, field in ((paper, "evidence_ref"), ({}, "granted_at"), ({**paper, "separate": None}, "evidence_ref")):
        error = _consents(inside, **body).json()["error"]
        assert (error["code"], error["field"]) == ("invalid_request", field)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"separate": False}, "was not asked for separately"),
        ({"evidence_ref": "ok-3-paper-1"}, "was bundled with another purpose"),
        ({"basis": "legitimate interest"}, "stands on a basis that is not approved"),
        ({"granted_at": "2025-07-30T08:00:00+08:00"}, "is not in force yet"),
    ],
)
def test_what_does_not_stand_is_refused_and_says_why(inside: Inside, changes: dict[str, Any], why: str) -> None:
    inside.consent("ok-3", **changes)
    decision = inside.score(patient_id="ok-3")
    inside.consent("ok-3")
    assert decision["refused"]["code"] == "no_consent"
    record = inside.client.get(f"/v1/decisions/{decision['decision_id']}", headers=inside.as_("compliance")).json()
    assert record["consent_why"] == why
    assert inside.score(patient_id="ok-3")["probability"] is not None


def test_acute_illness_withholds_outreach_and_not_care(inside: Inside) -> None:
    asked: dict[str, Any] = {"patient_id": "ok-2", "tasks": ["diabetes_12m"], "purpose": "screening_invitation"}
    inside.consent("ok-2", 8, consent_id="screening", purpose="screening_invitation", evidence_ref="ok-2-paper-8")
    assert inside.score(**asked)["probability"] is not None
    event = {"table": "encounters", "patient_id": "ok-2", "event_id": "er-1", "time": "2025-06-29T08:00:00+08:00"}
    told = {"events": [{**event, "kind": "emergency", "status": "finished"}]}
    assert inside.client.post("/v1/events", json=told, headers=inside.as_("outreach")).json()["counts"] == {"stored": 1}
    refused = inside.score(**asked)
    assert (refused["refused"]["code"], refused["refused"]["action"]) == ("acute_flag", "do_not_contact")
    assert refused["probability"] is None
    assert inside.score(patient_id="ok-2")["probability"] is not None
    path = f"/v1/decisions/{refused['decision_id']}/replay"
    assert inside.client.post(path, headers=inside.as_("compliance")).json()["verdict"] == "equal"
    listed = {"patient_id": "ok-2", "k": 3, "channel": "app", "purpose": "health_education"}
    for personalised in (True, False):
        body = {**listed, "personalised": personalised}
        answer = inside.client.post("/v1/recommend", json=body, headers=inside.as_("outreach")).json()
        assert (answer["refused"]["code"], answer["items"]) == ("acute_flag", [])


def _with_fees(task: Task) -> Scorer:
    """Fit a model of the task that also reads what was charged, a group declared for marketing alone."""
    groups = (*features.catalogue(), *task.own)
    every = compile_plan(groups).spec.features
    wanted = [each.name for each in every if each.group in task.inputs.clinical_groups or each.group == "fees"]
    spec = compile_plan(groups, wanted).spec
    fitted = (scorer_of(task, rows, spec) for rows in range(600, 700, 5))
    return next(each for each in fitted if any(each.groups[name] == "fees" for name in each.used))


@pytest.mark.parametrize("maskable", [False, True])
def test_a_group_without_consent_is_refused_or_masked(apart: Database, tmp_path: Path, maskable: bool) -> None:
    hospital = made(tmp_path)
    scorer = _with_fees(task_named("churn_90d"))
    digest = scorer.save(tmp_path / "fees", {"maskable": ["fees"]} if maskable else {})
    told = {"task": "churn_90d", "version": "9", "digest": digest, "author": "a", "artefact": str(tmp_path / "fees")}
    put_forward(tmp_path / "proposal.json", told)
    ledger = Ledger(hospital.home / "ledger.db")
    approvals.approve(tmp_path / "proposal.json", hospital.home, ledger, "compliance")
    ledger.close()
    with served(hospital) as inside:
        found = inside.score("compliance", explain="full" if maskable else "codes")
        assert found["model"]["version"] == "9"
        if maskable:
            values = {each["feature"]: each["value"] for each in found["values"] if each["group"] == "fees"}
            assert set(values.values()) == {None}
            assert "fees" in {each["code"] for each in found["missing"]}
        else:
            assert (found["refused"]["code"], found["refused"]["action"]) == (
                "no_consent_for_feature_group",
                "ask_consent",
            )
            assert found["probability"] is None
        inside.consent("ok-1", 7, consent_id="marketing", purpose="service_marketing", evidence_ref="paper-m")
        again = inside.score("compliance", explain="full")
        assert any(each["value"] is not None for each in again["values"] if each["group"] == "fees")
        for decision in (found, again):
            path = f"/v1/decisions/{decision['decision_id']}/replay"
            assert inside.client.post(path, headers=inside.as_("compliance")).json()["verdict"] == "equal"


def test_asked_for_another_purpose_than_the_task_serves_is_403(inside: Inside) -> None:
    body = {**ASKED, "purpose": "health_education"}
    assert inside.client.post("/v1/score", json=body, headers=inside.as_("outreach")).status_code == 403
