"""GET and POST /v1/self-test/{task}: the questionnaire, and a report that is a decision."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema
import pytest

from serving.ledger import Ledger
from serving.schemas import SelfTestAnswer
from tests.service.conftest import Running

PATH = "/v1/self-test/self_test_diabetes"
ANSWERS: dict[str, Any] = {
    "age": 52,
    "sex": "male",
    "height_cm": 171,
    "weight_kg": 84,
    "waist_cm": 98,
    "systolic": 138,
    "family_diabetes": True,
    "told_diabetes": False,
}


def _report(client: httpx.Client, consent: bool = True, **changes: Any) -> dict[str, Any]:
    answer = client.post(PATH, json={"answers": {**ANSWERS, **changes}, "consent": consent})
    assert answer.status_code == 200, answer.text
    SelfTestAnswer.model_validate(answer.json())
    return dict(answer.json())


def test_the_questionnaire_is_a_schema_that_takes_the_answers(outreach: httpx.Client) -> None:
    told = outreach.get(PATH).json()
    jsonschema.Draft202012Validator.check_schema(told["schema"])
    jsonschema.validate(ANSWERS, told["schema"])
    for question in told["schema"]["properties"].values():
        assert question["title"]
        assert question["x-title-zh"]
    assert told["note_en"] == "A risk, not a diagnosis."


def test_a_report_is_a_recorded_decision_without_a_patient(service: Running, outreach: httpx.Client) -> None:
    told = _report(outreach)
    assert 0 < told["probability"] < 1
    assert 1 <= len(told["reasons"]) <= 4
    assert told["advice"]["code"] in ("book_check_up", "keep_in_touch")
    ledger = Ledger(service.hospital.home / "ledger.db")
    entry = ledger.entry("decision", told["decision_id"])
    ledger.close()
    assert entry is not None
    assert (entry.payload["patient_id"], entry.header["subject"], entry.header["purpose"]) == (None, None, "self_test")


def test_without_the_tick_there_is_no_score(outreach: httpx.Client) -> None:
    told = _report(outreach, consent=False)
    assert (told["refused"]["code"], told["probability"], told["advice"]) == ("no_consent", None, None)


def test_outside_the_population_is_refused_by_name(outreach: httpx.Client) -> None:
    assert _report(outreach, age=19)["refused"]["code"] == "outside_population"
    assert _report(outreach, told_diabetes=True)["refused"]["code"] == "not_eligible"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"age": 400}, "answers.age"),
        ({"sex": "13800138000"}, "answers.sex"),
        ({"family_diabetes": None}, "answers.family_diabetes"),
        ({"phone13800138000": 1}, "answers"),
    ],
)
def test_a_wrong_answer_is_422(outreach: httpx.Client, changes: dict[str, Any], field: str) -> None:
    answer = outreach.post(PATH, json={"answers": {**ANSWERS, **changes}, "consent": True})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert "13800138000" not in answer.text


def test_another_task_has_no_questionnaire(outreach: httpx.Client) -> None:
    answer = outreach.get("/v1/self-test/churn_90d")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_task")
    asked = {"patient_id": "ok-1", "tasks": ["self_test_diabetes"], "purpose": "self_test"}
    assert outreach.post("/v1/score", json=asked).json()["error"]["code"] == "unknown_task"
