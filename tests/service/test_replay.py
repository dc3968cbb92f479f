"""Replay: bit-equal after another version, corrections and late events; where it is not, it says what differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from serving import approvals
from serving.__main__ import app
from tests.service.conftest import put_forward, scorer_of
from tests.service.databases import Database
from tests.service.inside import Inside, made, served
from training.tasks import task as task_named

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inside(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
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


def _retrain(inside: Inside, folder: Path, version: str, task: str = "churn_90d") -> None:
    """Put another model into production: fitted to other rows, under another version."""
    scorer = scorer_of(task_named(task), rows=500 + int(version))
    digest = scorer.save(folder / task / version, {})
    told = {"task": task, "version": version, "digest": digest, "author": "a", "artefact": str(folder / task / version)}
    put_forward(folder / "proposal.json", told)
    approvals.approve(folder / "proposal.json", inside.hospital.home, inside.desk.ledger, "compliance", "dr-li")
    inside.client.portal.call(inside.desk.look)  # type: ignore[union-attr]


def test_another_version_in_production_leaves_the_replay_alone(inside: Inside, tmp_path: Path) -> None:
    old = inside.score(patient_id="ok-3")
    _retrain(inside, tmp_path, "2")
    new = inside.score(patient_id="ok-3")
    assert (new["model"]["version"], new["model"]["digest"] == old["model"]["digest"]) == ("2", False)
    for decision in (old, new):
        replayed = _replay(inside, decision["decision_id"])
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
    monkeypatch.setattr("serving.draft.code_version", lambda: {"version": "other"})
    inside.client.portal.call(inside.desk.run, look)  # type: ignore[union-attr]
    assert [each["what"] for each in found[1].changed] == ["code"]


def test_a_model_that_is_gone_makes_it_impossible(inside: Inside, tmp_path: Path) -> None:
    """One that was replaced first: the service looks again and again at what is in production."""
    from serving.replay import _models

    decision = inside.score(patient_id="ok-3", tasks=["diabetes_12m"])
    _retrain(inside, tmp_path, "7", "diabetes_12m")
    (inside.hospital.home / "models" / "diabetes_12m" / decision["model"]["digest"]).rename(tmp_path / "away")
    _models.cache_clear()
    told = _replay(inside, decision["decision_id"])
    assert (told["verdict"], told["why"][:24]) == ("impossible", "the recorded model canno")


def test_replay_is_for_those_who_may_read_decisions(inside: Inside) -> None:
    decision_id = inside.score(patient_id="ok-3")["decision_id"]
    for who in ("outreach", "scientist", "admin", "cardiology"):
        assert inside.client.post(f"/v1/decisions/{decision_id}/replay", headers=inside.as_(who)).status_code == 403
    missing = inside.client.post(f"/v1/decisions/{'0' * 32}/replay", headers=inside.as_("compliance"))
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_decision")
    assert inside.desk.ledger.latest("replay", 1)[0].header["principal"] == "compliance"


LABS = (("8480-6", "mmHg", 100, 180), ("4548-4", "%", 4.5, 6.4), ("39156-5", "kg/m2", 20, 34))


def _anything(rng: np.random.Generator) -> dict[str, Any]:
    """Return a visit, a reading or a value of some past day: new, or another version of one told before."""
    event: dict[str, Any] = {"patient_id": str(rng.choice(["ok-1", "ok-3"])), "version": int(rng.integers(1, 10**9))}
    event["time"] = f"2025-{rng.integers(1, 7):02d}-{rng.integers(1, 30):02d}T08:00:00+08:00".replace("02-29", "02-28")
    kind = rng.integers(3)
    if kind == 0:
        return event | {"table": "encounters", "event_id": f"v{rng.integers(30)}", "kind": "outpatient"}
    if kind == 1:
        return event | {
            "table": "interactions",
            "event_id": f"i{rng.integers(30)}",
            "channel": "app",
            "action": "login",
        }
    code, unit, low, high = LABS[rng.integers(3)]
    value = float(np.round(rng.uniform(low, high), 1))
    lab = {"code_system": "LOINC", "code": code, "value": value, "unit": unit}
    return event | lab | {"table": "observations", "event_id": f"o{rng.integers(30)}"}


def test_the_command_replays_on_record(inside: Inside) -> None:
    asked = ["replay", inside.score(patient_id="ok-3")["decision_id"], "--home", str(inside.hospital.home)]
    done = CliRunner().invoke(app, [*asked, "--identity", "auditor"])
    assert (done.exit_code, done.output.strip().endswith("equal")) == (0, True)
    entry = inside.desk.ledger.latest("replay", 1)[0]
    assert (entry.header["principal"], entry.header["verdict"]) == ("auditor", "equal")


def test_a_thousand_random_decisions_replay(inside: Inside, tmp_path: Path) -> None:
    """After corrected events, late ones (each a new fact of days ago) and two retrainings, all told."""
    rng = np.random.default_rng(5)
    patients = ["ok-1", "ok-3", "left", "diabetic", "objects", "nobody-77"]
    tasks = ["churn_90d", "diabetes_12m"]
    told: list[dict[str, Any]] = []
    while len(told) < 1000:
        for number, task in enumerate(tasks, 3):
            if len(told) in (300, 600):
                _retrain(inside, tmp_path, f"{number}{len(told)}", task)
        if rng.random() < 0.3:
            _deliver(inside, **_anything(rng))
        body = {"patient_ids": patients, "tasks": tasks, "purpose": "care_followup"}
        answer = inside.client.post("/v1/score/batch", json=body, headers=inside.as_("outreach"))
        told += [decision for line in answer.json()["results"] for decision in line["decisions"]]
    entries = [inside.desk.ledger.entry("decision", each["decision_id"]) for each in told]
    vectors = [tuple(value["value"] for value in each.payload.get("values", ())) for each in entries if each]
    assert len(set(vectors)) > 10
    assert len({each["model"]["digest"] for each in told}) == 6
    assert {_replay(inside, each["decision_id"])["verdict"] for each in told} == {"equal"}


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
