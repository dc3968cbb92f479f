"""The typed client against the running service: an outreach system's day."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving.client import Client, Refusal
from tests.service.conftest import CLOCK, Running

TASKS, PURPOSE = ["churn_90d"], "care_followup"
pytestmark = pytest.mark.slow


@pytest.fixture
def client(service: Running) -> Iterator[Client]:
    with Client(service.url, service.hospital.keys["outreach"]) as opened:
        yield opened


@pytest.fixture
def reviewer(service: Running) -> Iterator[Client]:
    with Client(service.url, token=service.hospital.keys["compliance"]) as opened:
        yield opened


def test_scores_with_reasons_and_their_record(client: Client, reviewer: Client) -> None:
    assert client.ready()
    answer = client.score("ok-1", TASKS, PURPOSE)
    (decision,) = answer.decisions
    assert decision.probability is not None and 1 <= len(decision.reasons) <= 4
    assert decision.margin is None and decision.contributions is None
    recorded = reviewer.decision(decision.decision_id)
    assert recorded.probability == decision.probability and recorded.receipt == decision.receipt
    assert reviewer.replay(decision.decision_id).verdict == "equal"
    found = reviewer.decisions(patient_id="ok-1", task="churn_90d")
    assert decision.decision_id in {each.decision_id for each in found.decisions}


def test_the_same_key_gives_the_same_decisions(client: Client) -> None:
    first, again = (client.score("ok-1", TASKS, PURPOSE, key="a") for _ in range(2))
    assert first == again
    with pytest.raises(Refusal) as told:
        client.score("ok-2", TASKS, PURPOSE, key="a")
    assert (told.value.status, told.value.code) == (409, "conflict") and told.value.request_id
    first_many, again_many = (client.score_batch(["ok-1", "ok-2"], TASKS, PURPOSE, key="b") for _ in range(2))
    assert first_many == again_many
    with pytest.raises(Refusal) as told:
        client.score_batch(["ok-2"], TASKS, PURPOSE, key="b")
    assert told.value.status == 409


def test_a_job_and_its_file(client: Client) -> None:
    job = client.job(client.add_job(TASKS, PURPOSE, "patient_ids", patient_ids=["ok-1", "no-consent"]).job_id, 20)
    assert (job.status, job.counts.scored, job.counts.refused) == ("done", 1, {"no_consent": 1})
    assert client.job_file(job.files[0].url).count(b"\n") == job.files[0].rows == 2


def test_a_job_of_lists(client: Client) -> None:
    asked = client.add_lists(2, "app", "health_education", "patient_ids", patient_ids=["ok-1", "no-consent"])
    job = client.job(asked.job_id, 20)
    assert (job.kind, job.counts.scored, job.counts.refused) == ("recommend", 1, {"no_consent": 1})
    assert job.files[0].rows == 3


def test_models_cards_and_what_still_stands(client: Client) -> None:
    model = next(each for each in client.models() if each.task == "churn_90d")
    assert client.model("churn_90d") == model
    card, tag = client.card("churn_90d")
    assert card is not None and tag == f'"{model.digest}"'
    assert client.card("churn_90d", tag) == (None, tag)
    with pytest.raises(Refusal, match="did you mean 'churn_90d'"):
        client.model("churn_90")


def test_events_consents_and_changes(client: Client) -> None:
    visit = {"table": "encounters", "patient_id": "new-1", "event_id": "v1", "time": CLOCK, "kind": "outpatient"}
    assert client.deliver([visit]).results[0].result == "stored"
    assert client.deliver([visit]).results[0].result == "duplicate"
    said = {"consent_id": "c-new", "patient_id": "new-1", "purpose": PURPOSE, "granted_at": CLOCK, "separate": True}
    paper = {"method": "app", "evidence_ref": "new-paper", "notice_version": "2025-01"}
    client.consent(**said, **paper)
    client.consent(**said, **paper, withdrawn_at=CLOCK)
    (decision,) = client.score("new-1", TASKS, PURPOSE).decisions
    assert decision.refused is not None and decision.refused.code == "no_consent"
    assert ("consent.withdrawn", "new-1") in {(each.kind, each.patient_id) for each in client.changes()}


def test_a_batch_and_events_as_lines(service: Running) -> None:
    from serving.route import NDJSON

    body = {"patient_ids": ["ok-1", "nobody"], "tasks": TASKS, "purpose": PURPOSE}
    with service.client() as http:
        answer = http.post("/v1/score/batch", json=body, headers={"Accept": NDJSON})
    assert answer.headers["content-type"].startswith(NDJSON) and len(answer.text.splitlines()) == 2


def test_no_heavy_library_is_loaded_by_a_score(service: Running) -> None:
    """No shap, mlflow nor LightGBM in a worker that has answered."""
    from pathlib import Path

    import psutil

    with service.client() as http:
        asked = {"patient_id": "ok-1", "tasks": TASKS, "purpose": PURPOSE}
        assert http.post("/v1/score", json=asked).status_code == 200
    tree = psutil.Process(service.process.pid)
    workers = [each for each in tree.children(recursive=True) if "worker" in " ".join(each.cmdline())] or [tree]
    for worker in workers:
        mapped = Path(f"/proc/{worker.pid}/maps").read_text()
        for library in ("/shap/", "/mlflow/", "lib_lightgbm"):
            assert library not in mapped, library


def test_what_cannot_be_believed_is_set_aside_with_its_field(client: Client) -> None:
    told = {"table": "observations", "patient_id": "new-2", "time": CLOCK, "code_system": "LOINC", "unit": "mmHg"}
    person = {"table": "patients", "patient_id": "new-2", "time": CLOCK, "birth_date": "1970-01-01T00:00:00+08:00"}
    early = "1960-01-01T00:00:00+08:00"
    answer = client.deliver(
        [
            {**told, "event_id": "o1", "code": "8480-6", "value": 70.0},
            {**told, "event_id": "o2", "code": "8462-4", "value": 90.0},
            {**told, "event_id": "o3", "code": "8480-6", "value": 9000.0, "time": early.replace("1960", "2020")},
            {**person, "event_id": "p1"},
            {"table": "encounters", "patient_id": "new-2", "event_id": "e1", "time": early, "kind": "outpatient"},
            {**person, "patient_id": "new-3", "event_id": "p2", "birth_date": "2990-01-01T00:00:00+08:00"},
        ]
    )
    assert [(each.result, each.code, each.field) for each in answer.results] == [
        ("quarantined", "systolic_below_diastolic", "value"),
        ("quarantined", "systolic_below_diastolic", "value"),
        ("quarantined", "implausible_value", "value"),
        ("stored", None, None),
        ("quarantined", "birth_date_after_visit", "time"),
        ("quarantined", "negative_age", "birth_date"),
    ]
