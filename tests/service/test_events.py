"""POST /v1/events and /v1/consents: stored at once, bad lines set aside, the next score goes by it."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from serving.patient_schemas import ConsentAnswer
from serving.routes.events import QUARANTINE
from serving.schemas import EventsAnswer
from tests.service.conftest import CLOCK, Running

NDJSON = {"Content-Type": "application/x-ndjson"}
LAB = {
    "table": "observations",
    "patient_id": "ok-3",
    "time": "2025-06-29T08:00:00+08:00",
    "code_system": "LOINC",
    "code": "4548-4",
    "value": 6.1,
    "unit": "%",
}


def _post(client: httpx.Client, *events: dict[str, Any]) -> EventsAnswer:
    answer = client.post("/v1/events", json={"events": list(events)})
    assert answer.status_code == 200, answer.text
    return EventsAnswer.model_validate(answer.json())


def _glucose(client: httpx.Client, patient_id: str) -> dict[str, Any]:
    asked = {"patient_id": patient_id, "tasks": ["diabetes_12m"], "purpose": "care_followup", "explain": "full"}
    decision = client.post("/v1/score", json=asked).json()["decisions"][0]
    return next(value for value in decision["values"] if value["feature"] == "hba1c_last_24m")


def test_an_event_counts_in_the_next_score(outreach: httpx.Client, compliance: httpx.Client) -> None:
    assert _glucose(compliance, "ok-3")["value"] == 5.9
    told = _post(outreach, {**LAB, "event_id": "new-1"})
    assert (told.known_at, told.counts) == (CLOCK, {"stored": 1})
    value = _glucose(compliance, "ok-3")
    assert (value["value"], value["event_id"], value["known_at"]) == (6.1, "new-1", CLOCK)
    assert _post(outreach, {**LAB, "event_id": "new-1"}).results[0].result == "duplicate"
    unnamed = {**LAB, "value": 6.2}
    assert [_post(outreach, unnamed).results[0].result for _ in range(2)] == ["stored", "duplicate"]


def test_a_bad_line_is_set_aside_and_the_rest_is_stored(service: Running, outreach: httpx.Client) -> None:
    lines = [
        orjson.dumps({**LAB, "patient_id": "line-1", "event_id": "line-1"}),
        b'{"table": "observations", "patient_id": "planted-phone-13800138000"',
        orjson.dumps({**LAB, "patient_id": "line-1", "event_id": "line-3", "value": "high"}),
        orjson.dumps({**LAB, "patient_id": "line-1", "event_id": "line-4", "value": 140}),
        orjson.dumps({**LAB, "patient_id": "line-1", "event_id": "line-5", "phone": "x"}),
        orjson.dumps({**LAB, "patient_id": "line-1", "event_id": "line-6", "time": None}),
        orjson.dumps({**LAB, "table": "nowhere", "event_id": "line-7"}),
        orjson.dumps({**LAB, "table": "consents", "event_id": "line-8"}),
        orjson.dumps({**LAB, "patient_id": "line-1", "event_id": "line-9"}),
    ]
    answer = outreach.post("/v1/events", content=b"\n".join(lines), headers=NDJSON)
    told = EventsAnswer.model_validate(answer.json())
    assert [(row.result, row.code, row.field) for row in told.results] == [
        ("stored", None, None),
        ("quarantined", "unreadable_json", None),
        ("quarantined", "wrong_type", "value"),
        ("quarantined", "implausible_value", "value"),
        ("quarantined", "unknown_field", None),
        ("quarantined", "missing_field", "time"),
        ("quarantined", "unknown_table", "table"),
        ("quarantined", "use_consents_route", "table"),
        ("stored", None, None),
    ]
    assert [row.event_id for row in told.results] == ["line-1", None, *(f"line-{n}" for n in range(3, 10))]
    kept = [orjson.loads(line) for line in (service.hospital.home / QUARANTINE).read_bytes().splitlines()]
    assert {"unreadable_json", "implausible_value"} <= {row["reason"] for row in kept}
    assert (service.hospital.home / QUARANTINE).stat().st_mode & 0o077 == 0
    assert "13800138000" not in answer.text
    assert "13800138000" not in service.log()


def test_reading_dated_ahead_of_the_clock_is_set_aside(outreach: httpx.Client) -> None:
    read = {"table": "interactions", "patient_id": "ok-3", "channel": "app", "action": "view", "content_id": "a"}
    told = _post(
        outreach,
        {**read, "event_id": "read-now", "time": CLOCK},
        {**read, "event_id": "read-in-2099", "time": "2099-01-01T08:00:00+08:00"},
    )
    assert [(row.result, row.code, row.field) for row in told.results] == [
        ("stored", None, None),
        ("quarantined", "dated_ahead", "time"),
    ]


def test_a_birth_date_after_a_visit_is_set_aside(outreach: httpx.Client) -> None:
    person = {
        "table": "patients",
        "patient_id": "born-late",
        "event_id": "born-late",
        "time": "2025-06-29T08:00:00+08:00",
        "birth_date": "2025-06-01T00:00:00+08:00",
    }
    visit = {
        "table": "encounters",
        "patient_id": "born-late",
        "event_id": "too-early",
        "time": "2024-06-01T08:00:00+08:00",
        "kind": "outpatient",
        "status": "finished",
    }
    told = _post(outreach, person, visit, {**visit, "event_id": "in-time", "time": "2025-06-20T08:00:00+08:00"})
    assert [(row.result, row.code) for row in told.results] == [
        ("stored", None),
        ("quarantined", "birth_date_after_visit"),
        ("stored", None),
    ]


def test_a_birth_date_is_a_date_and_what_we_stamp_is_named(outreach: httpx.Client, compliance: httpx.Client) -> None:
    """As ingest reads it: the end of that day in the hospital's zone."""
    person = {"table": "patients", "patient_id": "dated", "time": "2025-06-29T08:00:00+08:00"}
    told = _post(
        outreach,
        {**person, "event_id": "dated-1", "birth_date": "1970-01-01"},
        {**person, "event_id": "dated-2", "birth_date": "1970-13-01"},
        {**person, "event_id": "dated-3", "time": "2025-06-29"},
        {**person, "event_id": "dated-4", "known_at": "2025-06-29T08:00:00+08:00"},
    )
    assert [(row.code, row.field) for row in told.results] == [
        (None, None),
        ("wrong_type", "birth_date"),
        ("wrong_type", "time"),
        ("unknown_field", "known_at"),
    ]
    (row,) = compliance.get("/v1/patients/dated/dossier").json()["data"]["patients"]
    assert row["birth_date"] == "1970-01-01T15:59:59.999999+00:00"


def test_a_patient_never_seen_is_created(outreach: httpx.Client) -> None:
    asked = {"patient_id": "brand-new", "tasks": ["churn_90d"], "purpose": "care_followup"}
    assert outreach.post("/v1/score", json=asked).status_code == 404
    _post(outreach, {**LAB, "patient_id": "brand-new", "event_id": "brand-new-1"})
    assert outreach.post("/v1/score", json=asked).json()["decisions"][0]["refused"]["code"] == "no_consent"


def test_a_value_is_brought_into_its_unit(outreach: httpx.Client, compliance: httpx.Client) -> None:
    _post(outreach, {**LAB, "patient_id": "ok-2", "event_id": "ifcc-1", "value": 40.0, "unit": "mmol/mol"})
    assert _glucose(compliance, "ok-2")["value"] == pytest.approx(5.81, abs=0.01)


def test_answers_as_lines(outreach: httpx.Client) -> None:
    body = orjson.dumps({**LAB, "event_id": "as-line-1"})
    answer = outreach.post("/v1/events", content=body, headers={**NDJSON, "Accept": "application/x-ndjson"})
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert [orjson.loads(line)["result"] for line in answer.content.splitlines()] == ["stored"]


def test_too_many_lines_are_422(outreach: httpx.Client) -> None:
    assert outreach.post("/v1/events", content=b"{}\n" * 5001, headers=NDJSON).status_code == 422
    assert outreach.post("/v1/events", content=b"\n", headers=NDJSON).status_code == 422


def test_a_withdrawal_refuses_the_next_score(outreach: httpx.Client) -> None:
    _post(
        outreach,
        {
            "table": "encounters",
            "patient_id": "withdraws",
            "event_id": "withdraws-1",
            "time": "2025-06-20T08:00:00+08:00",
            "kind": "outpatient",
            "status": "finished",
        },
    )
    asked = {"patient_id": "withdraws", "tasks": ["churn_90d"], "purpose": "care_followup"}
    given: dict[str, Any] = {
        "consent_id": "withdraws-c1",
        "patient_id": "withdraws",
        "purpose": "care_followup",
        "granted_at": "2025-06-20T08:00:00+08:00",
        "method": "app",
        "evidence_ref": "withdraws-paper",
        "notice_version": "2025-01",
        "separate": True,
    }

    def refused() -> str | None:
        decision = outreach.post("/v1/score", json=asked).json()["decisions"][0]
        return decision["refused"]["code"] if "refused" in decision else None

    assert refused() == "no_consent"
    stood = ConsentAnswer.model_validate(outreach.post("/v1/consents", json=given).json())
    assert (stood.version, stood.result) == (1, "stored")
    assert refused() != "no_consent"
    gone = outreach.post("/v1/consents", json={**given, "withdrawn_at": "2025-06-29T08:00:00+08:00"}).json()
    assert gone["version"] == 2
    assert refused() == "no_consent"


def test_a_consent_for_nobody_is_404(outreach: httpx.Client) -> None:
    given = {
        "consent_id": "c",
        "patient_id": "nobody",
        "purpose": "care_followup",
        "granted_at": "2025-06-20T08:00:00+08:00",
        "method": "app",
        "evidence_ref": "p",
        "notice_version": "2025-01",
        "separate": True,
    }
    answer = outreach.post("/v1/consents", json=given)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_patient")
    backwards = {**given, "withdrawn_at": "2025-06-01T08:00:00+08:00"}
    assert outreach.post("/v1/consents", json=backwards).json()["error"]["field"] == "withdrawn_at"
