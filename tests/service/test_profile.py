"""A patient's profile by purpose, and tags that the patient deleted."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from serving.ledger import Ledger
from tests.service.conftest import Running

CARE = {"purpose": "care_followup"}


def _profile(client: httpx.Client, patient: str, purpose: str = "care_followup") -> dict[str, Any]:
    answer = client.get(f"/v1/patients/{patient}/profile", params={"purpose": purpose})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _codes(found: dict[str, Any]) -> dict[str, Any]:
    return {each["code"]: each for each in found["tags"]}


@pytest.fixture
def own(outreach: httpx.Client) -> Iterator[str]:
    """Return a patient of this test alone, with a consent to follow-up."""
    name = f"own-{uuid.uuid4().hex[:12]}"
    told = [
        {"table": "patients", "patient_id": name, "time": "2025-06-29T00:00:00Z", "sex": "female"},
        {
            "table": "diagnoses",
            "patient_id": name,
            "time": "2025-06-28T00:00:00Z",
            "code_system": "ICD-10",
            "code": "E11.9",
        },
        {
            "table": "diagnoses",
            "patient_id": name,
            "time": "2025-06-28T00:00:00Z",
            "code_system": "ICD-10",
            "code": "F32.1",
        },
    ]
    assert outreach.post("/v1/events", json={"events": told}).json()["counts"] == {"stored": 3}
    _consent(outreach, name, [])
    yield name


def _consent(client: httpx.Client, name: str, categories: list[str]) -> None:
    consent = {
        "consent_id": f"{name}-c",
        "patient_id": name,
        "purpose": "care_followup",
        "granted_at": "2025-06-01T00:00:00Z",
        "method": "app",
        "evidence_ref": f"{name}-e",
        "notice_version": "2025-01",
        "separate": True,
        "categories": categories,
    }
    assert client.post("/v1/consents", json=consent).status_code == 200


def test_a_profile_has_the_shape_of_the_contract(outreach: httpx.Client) -> None:
    found = _profile(outreach, "ok-1")
    assert found["patient_id"] == "ok-1"
    for each in found["tags"]:
        assert {"code", "zh", "en", "layer", "value", "set_by", "version", "since", "sensitive"} <= set(each)
    assert {"code", "zh", "since"} <= set(found["tiers"][0])
    tags = _codes(found)
    assert tags["hypertension"]["value"] is True
    assert tags["hypertension"]["since"] == "2023-01-12T00:00:00+00:00"
    assert (tags["age_band"]["value"], tags["age_band"]["layer"]) == ("45-59", "basic")
    assert (tags["pressure_control"]["value"], tags["pressure_control"]["value_zh"]) == ("not_met", "未达标")
    assert {each["set_by"] for each in found["tags"]} <= {"rule", "model"}
    assert {each["scheme"]: each["zh"] for each in found["tiers"]} == {"activity": "活跃层", "value": "未定"}
    assert found["receipt"]["seq"] > 0


def test_a_purpose_sees_its_own_tags_only(outreach: httpx.Client) -> None:
    care, teaching = _codes(_profile(outreach, "ok-1")), _codes(_profile(outreach, "ok-1", "health_education"))
    assert "region" in care and "region" not in teaching
    assert "spend_band" not in {**care, **teaching}


@pytest.mark.parametrize(
    ("patient", "code"), [("no-consent", "no_consent"), ("objects", "objected"), ("bundled", "no_consent")]
)
def test_without_a_standing_consent_nothing_is_shown(outreach: httpx.Client, patient: str, code: str) -> None:
    found = _profile(outreach, patient)
    assert (found["tags"], found["tiers"], found["refused"]["code"]) == ([], [], code)


def test_a_profile_that_was_read_is_on_record_without_its_values(service: Running, outreach: httpx.Client) -> None:
    seq = _profile(outreach, "ok-2")["receipt"]["seq"]
    ledger = Ledger(service.hospital.home / "ledger.db")
    entry = next(each for each in ledger.latest("profile", 50) if each.receipt.seq == seq)
    assert entry.header["purpose"] == "care_followup"
    assert "ok-2" not in entry.header["subject"]
    assert "hypertension" not in orjson.dumps(entry.header).decode()
    assert "hypertension" in entry.payload["tags"]
    ledger.close()


def test_sensitive_tags_need_a_consent_that_covers_them(outreach: httpx.Client, own: str) -> None:
    assert {"diabetes"} <= set(_codes(_profile(outreach, own))) and "depression" not in _codes(_profile(outreach, own))
    _consent(outreach, own, ["sensitive"])
    assert _codes(_profile(outreach, own))["depression"]["sensitive"] is True


def test_a_deleted_tag_stays_deleted(outreach: httpx.Client, own: str) -> None:
    cursor = outreach.get("/v1/changes").text.strip().splitlines()
    after = orjson.loads(cursor[-1])["cursor"] if cursor else "0"
    assert "diabetes" in _codes(_profile(outreach, own))
    first = outreach.delete(f"/v1/patients/{own}/tags/diabetes")
    assert (first.status_code, first.json()["result"]) == (200, "deleted")
    again = outreach.delete(f"/v1/patients/{own}/tags/diabetes").json()
    assert again == first.json() | {"result": "already_deleted"}
    more = {
        "table": "diagnoses",
        "patient_id": own,
        "time": "2025-06-29T12:00:00Z",
        "code_system": "ICD-10",
        "code": "E11.2",
    }
    outreach.post("/v1/events", json={"events": [more]})
    found = _profile(outreach, own)
    assert "diabetes" not in _codes(found) and "sex" in _codes(found)
    told = [orjson.loads(line) for line in outreach.get(f"/v1/changes?after={after}").content.splitlines()]
    mine = [each for each in told if each.get("patient_id") == own and each["kind"] == "tag.changed"]
    assert mine
    assert all("diabetes" not in str(each) for each in mine)


def test_a_tier_can_be_deleted_too(outreach: httpx.Client, own: str) -> None:
    assert "low_activity" in {each["code"] for each in _profile(outreach, own)["tiers"]}
    assert outreach.delete(f"/v1/patients/{own}/tags/low_activity").status_code == 200
    assert "low_activity" not in {each["code"] for each in _profile(outreach, own)["tiers"]}


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/v1/patients/ok-1/profile", {}, 422, "invalid_request"),
        ("/v1/patients/ok-1/profile", {"purpose": "selling"}, 422, "invalid_request"),
        ("/v1/patients/ok-1/profile", {"purpose": "care_followup", "x": "1"}, 422, "unknown_field"),
        ("/v1/patients/ok-1/profile", {"purpose": "service_marketing"}, 403, "forbidden"),
        ("/v1/patients/nobody/profile", CARE, 404, "unknown_patient"),
    ],
)
def test_a_question_that_does_not_fit(
    outreach: httpx.Client, path: str, params: dict[str, str], status: int, code: str
) -> None:
    answer = outreach.get(path, params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_tag_that_is_none_is_404(outreach: httpx.Client) -> None:
    answer = outreach.delete("/v1/patients/ok-1/tags/diabetis")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_tag")
    assert "did you mean 'diabetes'" in answer.json()["error"]["message"]
    assert outreach.delete("/v1/patients/nobody/tags/diabetes").status_code == 404


def test_a_model_tag_stands_for_a_high_score_and_for_no_other(outreach: httpx.Client) -> None:
    asked = {"patient_id": "ok-3", "tasks": ["churn_90d", "diabetes_12m"], **CARE}
    scored = {each["task"]: each for each in outreach.post("/v1/score", json=asked).json()["decisions"]}
    tags = _codes(_profile(outreach, "ok-3"))
    for task, decision in scored.items():
        high = decision["band"] in ("high", "very_high")
        assert (f"high_{task}" in tags) == high
        if high:
            tag = tags[f"high_{task}"]
            assert (tag["set_by"], tag["version"], tag["model"]) == ("model", decision["model"]["version"], task)
            assert tag["value"] == decision["band"]


def test_no_profile_reaches_a_log(service: Running) -> None:
    assert not any(word in service.log() for word in ("ok-1", "hypertension", 'diabetes"', "未达标"))
    assert Path(service.hospital.home / "ledger.db").is_file()


def test_of_a_sealed_patient_only_the_refusal_is_told(
    outreach: httpx.Client, compliance: httpx.Client, own: str
) -> None:
    _profile(outreach, own)
    assert compliance.delete(f"/v1/patients/{own}").status_code == 200
    found = _profile(outreach, own)
    assert (found["tags"], found["tiers"], found["refused"]["code"]) == ([], [], "sealed")
    assert outreach.delete(f"/v1/patients/{own}/tags/diabetes").status_code == 404
