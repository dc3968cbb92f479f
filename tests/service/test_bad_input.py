"""Bad input over the real service: DESIGN's status and envelope, nothing echoed, nothing logged but ids."""

from __future__ import annotations

import time
from typing import Any

import httpx
import orjson
import pytest

from tests.service.conftest import REQUEST_ID, Running

GOOD = {"patient_id": "ok-1", "tasks": ["churn_90d"], "purpose": "care_followup"}
PLANTED = "13800138000"
JSON = {"Content-Type": "application/json"}
TEXT = {"Content-Type": "text/plain"}


def _json(**changes: Any) -> bytes:
    return orjson.dumps({**GOOD, **changes})


ROWS = [
    ("malformed JSON", b'{"patient_id": "13800138000", ', JSON, 422, "malformed_json", None),
    ("NaN", b'{"patient_id": "13800138000", "tasks": NaN}', JSON, 422, "malformed_json", None),
    ("infinity", b'{"patient_id": "13800138000", "tasks": 1e999}', JSON, 422, "malformed_json", None),
    ("a field twice", b'{"patient_id": "13800138000", "patient_id": "ok-1"}', JSON, 422, "malformed_json", None),
    ("deep nesting", b"[" * 100_000, JSON, 422, "malformed_json", None),
    ("not UTF-8", b'{"patient_id": "\xff\xfe13800138000"}', JSON, 422, "malformed_json", None),
    ("empty body", b"", JSON, 422, "malformed_json", None),
    ("an array", b'["13800138000"]', JSON, 422, "invalid_request", None),
    ("wrong type", _json(patient_id=13800138000), JSON, 422, "invalid_request", "patient_id"),
    ("a number as text", _json(tasks="13800138000"), JSON, 422, "invalid_request", "tasks"),
    ("not a surrogate", _json(patient_id="Zhang San 13800138000"), JSON, 422, "invalid_request", "patient_id"),
    ("unknown field", _json(phone="13800138000"), JSON, 422, "unknown_field", None),
    ("missing field", b'{"patient_id": "13800138000"}', JSON, 422, "invalid_request", "tasks"),
    ("no task", _json(tasks=[]), JSON, 422, "invalid_request", "tasks"),
    ("a task twice", _json(tasks=["churn_90d", "churn_90d"]), JSON, 422, "invalid_request", "tasks"),
    ("no such purpose", _json(purpose="13800138000"), JSON, 422, "invalid_request", "purpose"),
    ("as_of without offset", _json(as_of="2025-01-01T00:00:00"), JSON, 422, "invalid_request", "as_of"),
    ("as_of a bare date", _json(as_of="2025-01-01"), JSON, 422, "invalid_request", "as_of"),
    ("as_of in the future", _json(as_of="2999-01-01T00:00:00Z"), JSON, 422, "invalid_request", "as_of"),
    ("as_of no such day", _json(as_of="2025-02-30T00:00:00Z"), JSON, 422, "invalid_request", "as_of"),
    (
        "text/plain",
        _json(patient_id="13800138000"),
        TEXT,
        415,
        "unsupported_media_type",
        None,
    ),
    ("no content type", _json(patient_id="13800138000"), {}, 415, "unsupported_media_type", None),
    ("multipart", _json(), {"Content-Type": "multipart/form-data"}, 415, "unsupported_media_type", None),
    ("latin-1", _json(), {"Content-Type": "application/json; charset=latin-1"}, 415, "unsupported_media_type", None),
    ("10 MB", b'"' + b"1" * 10_000_000 + b'"', JSON, 413, "body_too_large", None),
    ("10 MB of text", b"1" * 10_000_000, TEXT, 413, "body_too_large", None),
    ("unknown patient", _json(patient_id="13800138000"), JSON, 404, "unknown_patient", "patient_id"),
    ("unknown task", _json(tasks=["churn_91d"]), JSON, 404, "unknown_task", "tasks.0"),
    ("a purpose not the task's", _json(purpose="health_education"), JSON, 403, "forbidden", "tasks.0"),
    ("a purpose not the key's", _json(purpose="service_marketing"), JSON, 403, "forbidden", "purpose"),
    ("a past as_of", _json(as_of="2024-01-01T00:00:00Z"), JSON, 403, "forbidden", "as_of"),
    ("full without the right", _json(explain="full"), JSON, 403, "forbidden", "explain"),
]


CASES = [pytest.param(*row[1:], id=row[0]) for row in ROWS]


@pytest.mark.parametrize(("body", "headers", "status", "code", "field"), CASES)
def test_a_bad_request_is_answered_in_the_envelope(
    service: Running, body: bytes, headers: dict[str, str], status: int, code: str, field: str | None
) -> None:
    with service.client() as client:
        answer = client.post("/v1/score", content=body, headers=headers)
    assert answer.status_code == status
    told = answer.json()
    assert list(told) == ["error"]
    assert set(told["error"]) == {"code", "message", "field"}
    assert (told["error"]["code"], told["error"]["field"]) == (code, field)
    assert PLANTED not in answer.text
    assert REQUEST_ID.fullmatch(answer.headers["X-Request-Id"])
    assert answer.headers["Content-Type"] == "application/json"


def test_a_mistyped_name_gets_the_nearest(outreach: httpx.Client) -> None:
    told = outreach.post("/v1/score", json={**GOOD, "tasks": ["churn_90"]}).json()["error"]["message"]
    assert "'churn_90d'" in told
    told = outreach.post("/v1/score", json={"patient": "x", **GOOD}).json()["error"]["message"]
    assert "'patient_id'" in told


def test_the_order_of_statuses(service: Running) -> None:
    """Each request has every later fault as well; the earlier one is told."""
    huge = b"x" * 6_000_000
    with service.client(None) as nobody, service.client() as client:
        assert nobody.post("/v1/nowhere", content=huge).status_code == 401
        assert client.post("/v1/nowhere", content=huge).status_code == 404
        assert client.put("/v1/score", content=huge).status_code == 405
        assert client.post("/v1/score", content=huge).status_code == 413
        assert client.post("/v1/score", content=b"x").status_code == 415
        assert client.post("/v1/score", content=b"x", headers=JSON).status_code == 422
        bad = {**GOOD, "tasks": ["no_such"], "patient_id": "nobody", "purpose": "service_marketing"}
        assert client.post("/v1/score", json=bad).status_code == 403
        assert client.post("/v1/score", json={**bad, "purpose": "care_followup"}).status_code == 404


def test_the_log_holds_ids_only(service: Running) -> None:
    with service.client() as client:
        for _, body, headers, *_ in ROWS:
            client.post("/v1/score", content=body, headers=headers)
        client.get(f"/v1/models/{PLANTED}")
        client.get(f"/{PLANTED}?phone={PLANTED}", headers={"X-Request-Id": PLANTED, "Referer": PLANTED})
    time.sleep(0.3)
    log = service.log()
    assert PLANTED not in log
    assert "ok-1" not in log
    assert "Traceback" not in log
    lines = [orjson.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert len([line for line in lines if line["event"] == "request"]) >= len(ROWS)
    for key in service.hospital.keys.values():
        assert key not in log
    metrics = service.client("compliance").get("/metrics").text
    assert PLANTED not in metrics
    assert "ok-1" not in metrics
