"""POST /v1/score and /v1/score/batch: every field of the shape present and true."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from serving.ledger import Ledger
from serving.reasons import refusals, templates
from serving.schemas import BatchAnswer, DecisionRecord, ScoreAnswer
from serving.verify import verify
from tests.service.conftest import CLOCK, Running

TASKS = ["churn_90d", "diabetes_12m"]


def _ask(client: httpx.Client, patient_id: str = "ok-1", **changes: Any) -> dict[str, Any]:
    asked = {"patient_id": patient_id, "tasks": TASKS, "purpose": "care_followup", **changes}
    answer = client.post("/v1/score", json=asked)
    assert answer.status_code == 200, answer.text
    ScoreAnswer.model_validate(answer.json())
    return dict(answer.json())


def test_a_score_has_every_field(outreach: httpx.Client) -> None:
    told = _ask(outreach)
    assert (told["patient_id"], told["as_of"]) == ("ok-1", CLOCK)
    assert [decision["task"] for decision in told["decisions"]] == TASKS
    for decision, horizon in zip(told["decisions"], (90, 365), strict=True):
        assert decision["horizon_days"] == horizon
        assert 0 < decision["probability"] < 1
        assert decision["band"] in ("low", "medium", "high", "very_high")
        assert set(decision["model"]) == {"name", "version", "digest"}
        assert 1 <= len(decision["reasons"]) <= 4
        for reason in decision["reasons"]:
            assert set(reason) == {"code", "zh", "en", "group", "direction"}
            assert "relied on" in reason["en"]
            assert "模型依据" in reason["zh"]
        assert not {"margin", "base", "contributions", "values"} & set(decision)
        assert {"stable", "missing", "stale", "receipt"} <= set(decision)
        assert "refused" not in decision


def test_the_receipt_is_the_ledgers(service: Running, outreach: httpx.Client) -> None:
    decision = _ask(outreach)["decisions"][1]
    ledger = Ledger(service.hospital.home / "ledger.db")
    entry = ledger.entry("decision", decision["decision_id"])
    assert entry is not None
    assert entry.receipt.as_dict() == decision["receipt"]
    assert entry.payload["probability"] == decision["probability"]
    assert (entry.header["purpose"], entry.header["principal"], entry.header["outcome"]) == (
        "care_followup",
        "outreach",
        "scored",
    )
    assert "ok-1" not in str(entry.header).replace(entry.header["consent_id"], "")
    assert verify(ledger).faults == ()
    ledger.close()


def test_explain_none_gives_no_reasons(outreach: httpx.Client) -> None:
    assert [decision["reasons"] for decision in _ask(outreach, explain="none")["decisions"]] == [[], []]


def test_explain_full_adds_up(compliance: httpx.Client) -> None:
    for patient_id in ("ok-1", "ok-2", "ageless"):
        for decision in _ask(compliance, patient_id, explain="full", tasks=["churn_90d"])["decisions"]:
            margin, base = decision["margin"], decision["base"]
            assert abs(base + math.fsum(decision["contributions"].values()) - margin) <= 1e-9
            assert abs(base + math.fsum(decision["group_contributions"].values()) - margin) <= 1e-9
            assert decision["probability"] == 1 / (1 + math.exp(-margin))
            used = {value["feature"] for value in decision["values"]}
            assert used == set(decision["contributions"])
            groups = {value["group"] for value in decision["values"]}
            assert {reason["group"] for reason in decision["reasons"]} <= groups


def test_values_name_the_event_behind_them(compliance: httpx.Client) -> None:
    decision = _ask(compliance, explain="full", tasks=["diabetes_12m"])["decisions"][0]
    value = next(value for value in decision["values"] if value["feature"] == "hba1c_last_24m")
    assert value["value"] == 5.9
    assert value["event_id"] == "ok-1-observations-9"
    assert value["time"] == value["known_at"] == "2025-04-16T00:00:00+00:00"
    assert value["source"] == "his"
    assert (value["group"], value["unit"]) == ("glucose", "%")


@pytest.mark.parametrize(
    ("patient_id", "code", "action"),
    [
        ("no-consent", "no_consent", "ask_consent"),
        ("bundled", "no_consent", "ask_consent"),
        ("objects", "objected", "send_to_person"),
        ("left", "not_eligible", "none"),
    ],
)
def test_a_refusal_is_a_decision(outreach: httpx.Client, patient_id: str, code: str, action: str) -> None:
    for decision in _ask(outreach, patient_id)["decisions"]:
        refused = decision["refused"]
        assert (refused["code"], refused["action"]) == (code, action)
        assert refused["message_zh"].startswith(refusals()[code].message_zh)
        assert (decision["probability"], decision["band"], decision["reasons"]) == (None, None, [])
        assert decision["receipt"]["seq"] > 0


def test_each_task_is_judged_by_its_own_cohort(outreach: httpx.Client) -> None:
    churn, diabetes = _ask(outreach, "diabetic")["decisions"]
    assert "refused" not in churn
    assert diabetes["refused"]["code"] == "not_eligible"
    assert "diabetes" in diabetes["refused"]["message_en"]
    churn, diabetes = _ask(outreach, "ageless")["decisions"]
    assert diabetes["refused"]["code"] == "outside_population"


def test_an_exploratory_model_answers_only_when_asked(outreach: httpx.Client) -> None:
    decision = _ask(outreach, tasks=["copd_12m"])["decisions"][0]
    assert decision["refused"]["code"] == "exploratory_model"
    decision = _ask(outreach, tasks=["copd_12m"], exploratory=True)["decisions"][0]
    assert 0 < decision["probability"] < 1


def test_what_is_not_known_is_named(outreach: httpx.Client) -> None:
    missing = {row["code"]: row for row in _ask(outreach, tasks=["diabetes_12m"])["decisions"][0]["missing"]}
    assert "glucose" not in missing
    assert all(row["zh"] and row["en"] for row in missing.values())


def test_a_past_as_of_reads_no_further(compliance: httpx.Client) -> None:
    now = _ask(compliance, explain="full", tasks=["churn_90d"])
    then = _ask(compliance, explain="full", tasks=["churn_90d"], as_of="2025-05-01T00:00:00+00:00")
    assert then["as_of"] == "2025-05-01T00:00:00+00:00"
    seen = [value["known_at"] for value in then["decisions"][0]["values"] if value["known_at"]]
    assert seen
    assert max(seen) <= "2025-05-01T00:00:00+00:00"
    assert then["decisions"][0]["values"] != now["decisions"][0]["values"]


def test_the_same_question_has_the_same_score(outreach: httpx.Client) -> None:
    one, other = (_ask(outreach)["decisions"][0] for _ in range(2))
    assert (one["probability"], one["reasons"]) == (other["probability"], other["reasons"])
    assert one["decision_id"] != other["decision_id"]


def test_outreach_is_never_told_staff_text(outreach: httpx.Client, compliance: httpx.Client) -> None:
    patient = {each.en for each in templates().all if each.audience == "patient"}
    assert {reason["en"] for decision in _ask(outreach)["decisions"] for reason in decision["reasons"]} <= patient
    assert not {reason["en"] for decision in _ask(compliance)["decisions"] for reason in decision["reasons"]} <= patient


def test_a_batch_answers_line_by_line(outreach: httpx.Client) -> None:
    ids = ["ok-1", "nobody", "ok-2", "no-consent", "", "no such id!"]
    answer = outreach.post("/v1/score/batch", json={"patient_ids": ids, "tasks": TASKS, "purpose": "care_followup"})
    told = BatchAnswer.model_validate(answer.json())
    assert [line.patient_id for line in told.results] == ids
    codes = [line.decisions[0].refused.code if line.decisions[0].refused else None for line in told.results]
    assert codes == [None, "unknown_patient", None, "no_consent", "unknown_patient", "unknown_patient"]
    single = _ask(outreach)["decisions"]
    assert [d.probability for d in told.results[0].decisions] == [d["probability"] for d in single]
    sequence = [decision.receipt.seq for line in told.results for decision in line.decisions]
    assert sequence == sorted(set(sequence))


def test_a_batch_is_limited(outreach: httpx.Client) -> None:
    ids = [f"p{number}" for number in range(1001)]
    answer = outreach.post("/v1/score/batch", json={"patient_ids": ids, "tasks": TASKS, "purpose": "care_followup"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "patient_ids")


def test_a_long_id_is_a_refused_line_and_one_given_twice_two_lines(outreach: httpx.Client) -> None:
    body = {"patient_ids": ["ok-1", "x" * 900, "ok-1"], "tasks": TASKS, "purpose": "care_followup"}
    told = BatchAnswer.model_validate(outreach.post("/v1/score/batch", json=body).json()).results
    assert [line.decisions[0].refused is None for line in told] == [True, False, True]
    assert told[0].decisions[0].probability == told[2].decisions[0].probability


@pytest.mark.parametrize("path", ["/v1/score", "/v1/score/batch"])
def test_an_idempotency_key_answers_once(outreach: httpx.Client, path: str) -> None:
    who: dict[str, Any] = {"patient_id": "ok-1"} if path == "/v1/score" else {"patient_ids": ["ok-1", "ok-2"]}
    asked = {**who, "tasks": TASKS, "purpose": "care_followup"}
    headers = {"Idempotency-Key": f"once {path}"}
    first = outreach.post(path, json=asked, headers=headers)
    again = outreach.post(path, json=asked, headers=headers)
    assert first.content == again.content
    other = outreach.post(path, json={**asked, "tasks": ["churn_90d"]}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    long = outreach.post(path, json=asked, headers={"Idempotency-Key": "k" * 129})
    assert long.status_code == 422


def test_a_decision_is_read_by_compliance_and_the_reading_recorded(
    service: Running, outreach: httpx.Client, compliance: httpx.Client
) -> None:
    decision = _ask(outreach)["decisions"][0]
    path = f"/v1/decisions/{decision['decision_id']}"
    assert outreach.get(path).status_code == 403
    told = compliance.get(path).json()
    DecisionRecord.model_validate(told)
    assert told["probability"] == decision["probability"]
    assert told["receipt"] == decision["receipt"]
    assert told["patient_id"] == "ok-1"
    assert abs(told["base"] + math.fsum(told["contributions"].values()) - told["margin"]) <= 1e-9
    ledger = Ledger(service.hospital.home / "ledger.db")
    assert ledger.latest("read", 1)[0].header["decision_id"] == decision["decision_id"]
    ledger.close()
    assert compliance.get("/v1/decisions/" + "0" * 32).json()["error"]["code"] == "unknown_decision"


def test_models_name_version_and_digest(outreach: httpx.Client) -> None:
    told = {model["task"]: model for model in outreach.get("/v1/models").json()["models"]}
    assert set(told) == {"churn_90d", "diabetes_12m", "copd_12m", "self_test_diabetes", "content_affinity"}
    decision = _ask(outreach)["decisions"][0]
    assert told["churn_90d"]["digest"] == decision["model"]["digest"]
    assert told["copd_12m"]["exploratory"] is True
    assert outreach.get("/v1/models/churn_90d").json() == told["churn_90d"]
    assert outreach.get("/v1/models/churn_90d/card").status_code == 200
    assert outreach.get("/v1/models/none").json()["error"]["code"] == "unknown_task"
