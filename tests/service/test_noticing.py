"""What happens to a patient's tags is told: on delivery of events, and by time alone at the nightly look."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from serving.__main__ import app
from serving.noticing import sign
from tests.service.conftest import Running


@pytest.fixture
def own(outreach: httpx.Client) -> Iterator[str]:
    name = f"own-{uuid.uuid4().hex[:12]}"
    _deliver(outreach, name, "patients", "2025-06-29T00:00:00Z", sex="female")
    consent = {
        "consent_id": f"{name}-c",
        "patient_id": name,
        "purpose": "care_followup",
        "granted_at": "2025-06-01T00:00:00Z",
        "method": "app",
        "evidence_ref": f"{name}-e",
        "notice_version": "2025-01",
        "separate": True,
    }
    assert outreach.post("/v1/consents", json=consent).status_code == 200
    yield name


def _deliver(client: httpx.Client, patient: str, table: str, time: str, **row: str) -> None:
    event = {"table": table, "patient_id": patient, "time": time, **row}
    assert client.post("/v1/events", json={"events": [event]}).json()["counts"] == {"stored": 1}


def _told(client: httpx.Client, patient: str) -> list[str]:
    lines = [orjson.loads(line) for line in client.get("/v1/changes").content.splitlines()]
    return [each["kind"] for each in lines if each.get("patient_id") == patient]


def _diagnose(client: httpx.Client, patient: str, code: str, time: str = "2025-06-29T20:00:00Z") -> None:
    _deliver(client, patient, "diagnoses", time, code_system="ICD-10", code=code)


def test_tags_nobody_asked_for_are_not_told(outreach: httpx.Client, own: str) -> None:
    _diagnose(outreach, own, "E11.9")
    assert _told(outreach, own) == []


def test_a_change_after_a_profile_was_read_is_told_once(outreach: httpx.Client, own: str) -> None:
    outreach.get(f"/v1/patients/{own}/profile", params={"purpose": "care_followup"})
    assert _told(outreach, own) == []
    _diagnose(outreach, own, "E11.9")
    assert _told(outreach, own) == ["tag.changed"]
    _diagnose(outreach, own, "E11.9", "2025-06-29T21:00:00Z")
    outreach.get(f"/v1/patients/{own}/profile", params={"purpose": "care_followup"})
    assert _told(outreach, own) == ["tag.changed"]


def test_an_acute_sign_is_told_of_anybody_and_ends_with_time(
    service: Running, outreach: httpx.Client, own: str
) -> None:
    _diagnose(outreach, own, "R07.4")
    assert _told(outreach, own) == ["acute.set"]
    _diagnose(outreach, own, "R07.4", "2025-06-29T22:00:00Z")
    assert _told(outreach, own) == ["acute.set"]
    asked = ["notice", "--home", str(service.hospital.home), "--clock", "2025-07-08T00:00:00+00:00"]
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert _told(outreach, own)[:2] == ["acute.set", "acute.cleared"]


@pytest.mark.parametrize(
    ("table", "row", "found"),
    [
        ("diagnoses", {"code_system": "ICD-10", "code": "R07.4"}, True),
        ("diagnoses", {"code_system": "ICD-10", "code": "E11"}, False),
        ("diagnoses", {}, False),
        ("encounters", {"kind": "emergency"}, True),
        ("encounters", {"kind": "outpatient"}, False),
        ("observations", {"code_system": "ICD-10", "code": "R07.4"}, False),
    ],
)
def test_a_row_that_may_begin_an_acute_state(table: str, row: dict[str, str], found: bool) -> None:
    assert sign(table, row) is found
