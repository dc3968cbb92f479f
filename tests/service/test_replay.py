"""Replay: bit-equal after another version, corrections and late events; where it is not, it says what differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving import approvals
from serving.ledger import Ledger
from tests.service.conftest import put_forward, scorer_of
from tests.service.inside import Inside, made, served
from training.tasks import task as task_named

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with served(made(tmp_path_factory.mktemp("replay"))) as found:
        yield found


def _replay(inside: Inside, decision_id: str, who: str = "compliance") -> dict[str, Any]:
    answer = inside.client.post(f"/v1/decisions/{decision_id}/replay", headers=inside.as_(who))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _deliver(inside: Inside, **event: Any) -> None:
    body = {"events": [{"patient_id": "ok-1", **event}]}
    answer = inside.client.post("/v1/events", json=body, headers=inside.as_("outreach"))
    assert answer.json()["counts"] == {"stored": 1}, answer.text


@pytest.mark.parametrize("who", ["outreach", "compliance"])
@pytest.mark.parametrize("task", ["churn_90d", "diabetes_12m"])
def test_a_score_replays_to_the_last_bit(inside: Inside, who: str, task: str) -> None:
    told = _replay(inside, inside.score(who, tasks=[task])["decision_id"])
    assert (told["verdict"], told["differs"], told["changed"]) == ("equal", [], [])
    assert told["model"]["name"] == task


@pytest.mark.parametrize("patient", ["no-consent", "objects", "bundled", "left", "diabetic", "ageless"])
def test_a_refusal_replays_too(inside: Inside, patient: str) -> None:
    decision = inside.score(patient_id=patient, tasks=["diabetes_12m"])
    told = _replay(inside, decision["decision_id"])
    assert (told["verdict"], told["differs"]) == ("equal", [])


def test_corrected_and_late_events_change_the_new_score_not_the_old_replay(inside: Inside) -> None:
    old = inside.score("compliance", explain="full")
    corrected = {"table": "encounters", "event_id": "ok-1-encounters-0", "version": 2, "kind": "outpatient"}
    _deliver(inside, **corrected, time="2025-06-10T08:00:00+08:00", status="cancelled", fee=0.0)
    late = {"table": "encounters", "event_id": "late-1", "kind": "emergency", "status": "finished"}
    _deliver(inside, **late, time="2025-06-28T08:00:00+08:00", fee=900.0)
    new = inside.score("compliance", explain="full")
    assert [value["value"] for value in new["values"]] != [value["value"] for value in old["values"]]
    for decision in (old, new):
        assert _replay(inside, decision["decision_id"])["verdict"] == "equal"


def test_a_withdrawn_consent_refuses_the_next_and_replays_the_last(inside: Inside) -> None:
    old = inside.score(patient_id="ok-2")
    inside.consent("ok-2", withdrawn_at="2025-06-30T08:00:00+08:00")
    new = inside.score(patient_id="ok-2")
    assert (old["probability"] is not None, new["refused"]["code"]) == (True, "no_consent")
    for decision in (old, new):
        assert _replay(inside, decision["decision_id"])["verdict"] == "equal"


def test_another_version_in_production_leaves_the_replay_alone(inside: Inside, tmp_path: Path) -> None:
    old = inside.score(patient_id="ok-3")
    scorer = scorer_of(task_named("churn_90d"), rows=500)
    digest = scorer.save(tmp_path / "second", {})
    told = {"task": "churn_90d", "version": "2", "digest": digest, "author": "a", "artefact": str(tmp_path / "second")}
    put_forward(tmp_path / "proposal.json", told)
    ledger = Ledger(inside.hospital.home / "ledger.db")
    approvals.approve(tmp_path / "proposal.json", inside.hospital.home, ledger, "compliance")
    ledger.close()
    with served(inside.hospital) as again:
        new = again.score(patient_id="ok-3")
        assert new["model"]["version"] == "2"
        for decision in (old, new):
            replayed = _replay(again, decision["decision_id"])
            assert (replayed["verdict"], replayed["model"]) == ("equal", decision["model"])


def test_a_self_test_replays_from_its_answers(inside: Inside) -> None:
    from tests.service.test_self_test import ANSWERS

    body = {"answers": ANSWERS, "consent": True}
    answer = inside.client.post("/v1/self-test/self_test_diabetes", json=body, headers=inside.as_("outreach"))
    assert _replay(inside, answer.json()["decision_id"])["verdict"] == "equal"


def test_what_differs_is_named(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that says something else than its events do (as after a change of code) is told place by place."""
    decision = inside.score("compliance", explain="full")
    entry = inside.desk.ledger.entry("decision", decision["decision_id"])
    assert entry is not None
    from serving.replay import replay

    said = entry.payload
    said["margin"] = float(np.nextafter(said["margin"], 9))
    said["values"][3]["value"] = 12345.0
    found: list[Any] = []

    def look() -> None:
        found.append(replay(entry, inside.hospital.home, inside.desk.store, inside.desk.settings))

    inside.client.portal.call(inside.desk.run, look)  # type: ignore[union-attr]
    assert found[0].verdict == "differs"
    assert [each["what"] for each in found[0].differs] == ["margin", f"values.{said['values'][3]['feature']}.value"]
    monkeypatch.setattr("serving.replay.code_version", lambda: {"version": "other"})
    inside.client.portal.call(inside.desk.run, look)  # type: ignore[union-attr]
    assert [each["what"] for each in found[1].changed] == ["code"]


def test_a_model_that_is_gone_makes_it_impossible(inside: Inside) -> None:
    from serving.replay import _models

    decision = inside.score(patient_id="ok-3", tasks=["diabetes_12m"])
    place = inside.hospital.home / "models" / "diabetes_12m" / decision["model"]["digest"]
    place.rename(place.with_name("away"))
    _models.cache_clear()
    told = _replay(inside, decision["decision_id"])
    place.with_name("away").rename(place)
    assert (told["verdict"], told["why"][:24]) == ("impossible", "the recorded model canno")


def test_replay_is_for_those_who_may_read_decisions(inside: Inside) -> None:
    decision_id = inside.score(patient_id="ok-3")["decision_id"]
    for who in ("outreach", "scientist", "admin", "cardiology"):
        assert inside.client.post(f"/v1/decisions/{decision_id}/replay", headers=inside.as_(who)).status_code == 403
    missing = inside.client.post(f"/v1/decisions/{'0' * 32}/replay", headers=inside.as_("compliance"))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_decision")
    assert inside.desk.ledger.latest("replay", 1)[0].header["principal"] == "compliance"


def test_a_thousand_random_decisions_replay(inside: Inside) -> None:
    rng = np.random.default_rng(5)
    patients = ["ok-1", "ok-3", "left", "diabetic", "objects", "nobody-77"]
    made_: list[str] = []
    while len(made_) < 1000:
        if rng.random() < 0.5:
            event = {
                "table": "observations",
                "event_id": f"r{rng.integers(40)}",
                "version": int(rng.integers(1, 10**9)),
            }
            at = f"2025-06-{rng.integers(1, 30):02d}T08:00:00+08:00"
            value = float(np.round(rng.uniform(100, 180), 1))
            _deliver(inside, **event, time=at, code_system="LOINC", code="8480-6", value=value, unit="mmHg")
        body = {"patient_ids": patients, "tasks": ["churn_90d", "diabetes_12m"], "purpose": "care_followup"}
        answer = inside.client.post("/v1/score/batch", json=body, headers=inside.as_("outreach"))
        made_ += [each["decision_id"] for line in answer.json()["results"] for each in line["decisions"]]
    verdicts = [_replay(inside, decision_id)["verdict"] for decision_id in made_]
    assert set(verdicts) == {"equal"}


def test_queries_find_decisions_by_every_condition(inside: Inside) -> None:
    asked = inside.score(patient_id="ok-3", tasks=["churn_90d"])
    contact = {"table": "contacts", "event_id": "k1", "time": "2025-06-30T07:00:00+08:00", "campaign": "spring"}
    body = {"events": [{"patient_id": "ok-3", **contact, "decision_id": asked["decision_id"], "status": "sent"}]}
    assert inside.client.post("/v1/events", json=body, headers=inside.as_("outreach")).status_code == 200

    def ids(**query: Any) -> list[str]:
        answer = inside.client.get("/v1/decisions", params=query, headers=inside.as_("compliance"))
        assert answer.status_code == 200, answer.text
        return [each["decision_id"] for each in answer.json()["decisions"]]

    assert ids(patient_id="ok-3", task="churn_90d", limit=1) == [asked["decision_id"]]
    assert ids(campaign="spring") == [asked["decision_id"]]
    assert ids(campaign="autumn") == []
    assert ids(patient_id="ok-3", refused="true") == []
    assert asked["decision_id"] in ids(**{"from": "2025-06-30", "to": "2025-06-30"}, patient_id="ok-3", limit=1000)
    assert ids(**{"from": "2025-07-01"}) == []
    assert set(ids(refused="no_consent")) <= set(ids(refused="true", limit=1000))
    first = inside.client.get("/v1/decisions", params={"limit": 5}, headers=inside.as_("compliance")).json()
    second = ids(limit=5, after=first["next"])
    assert len(second) == 5
    assert not set(second) & {each["decision_id"] for each in first["decisions"]}
    wrong = inside.client.get("/v1/decisions", params={"patient": "x"}, headers=inside.as_("compliance"))
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "unknown_field")
    for query, field in (("limit=0", "limit"), ("from=soon", "from")):
        wrong = inside.client.get(f"/v1/decisions?{query}", headers=inside.as_("compliance"))
        assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, field)
    assert inside.client.get("/v1/decisions", headers=inside.as_("outreach")).status_code == 403


def test_a_clinician_finds_the_decisions_of_its_own_department(inside: Inside) -> None:
    own = inside.score("cardiology", patient_id="ok-3")
    for who, seen in (("cardiology", True), ("urology", False)):
        told = inside.client.get("/v1/decisions", params={"limit": 1000}, headers=inside.as_(who)).json()["decisions"]
        assert {each["department"] for each in told} <= {who}
        assert (own["decision_id"] in {each["decision_id"] for each in told}) is seen
        status = inside.client.get(f"/v1/decisions/{own['decision_id']}", headers=inside.as_(who)).status_code
        assert status == (200 if seen else 403)
