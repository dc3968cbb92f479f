"""/openapi.json describes every route truly: each documented status is reached, each answer is as it says."""

from __future__ import annotations

import copy
import functools
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from jsonschema import Draft202012Validator

from serving.access import KEYS, write_private
from serving.demo import ANSWERS
from serving.route import FORM, JSON, NDJSON
from tests.service.conftest import Hospital
from tests.service.inside import Inside, digest_of, made, served

pytestmark = pytest.mark.slow
ASKED: dict[str, Any] = {"tasks": ["churn_90d"], "purpose": "care_followup"}
CONSENT = {
    "consent_id": "ok-1-consents-0",
    "patient_id": "ok-1",
    "purpose": "care_followup",
    "granted_at": "2024-05-26T08:00:00+08:00",
    "method": "app",
    "evidence_ref": "ok-1-paper-0",
    "notice_version": "2025-01",
    "separate": True,
}
EVENT = {"table": "interactions", "patient_id": "ok-1", "time": "2025-06-29T08:00:00+08:00", "action": "view"}
LIST = {"patient_id": "ok-1", "k": 3, "channel": "app", "purpose": "health_education"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/score": {**ASKED, "patient_id": "ok-1"},
    "/v1/score/batch": {**ASKED, "patient_ids": ["ok-1", "nobody"]},
    "/v1/jobs": {**ASKED, "cohort": "all"},
    "/v1/recommend": LIST,
    "/v1/self-test/{task}": {"answers": ANSWERS, "consent": True},
    "/v1/events": {"events": [{**EVENT, "event_id": "o-1"}]},
    "/v1/consents": CONSENT,
    "/v1/contents/{id}": {"title": "a walk"},
    "/v1/identities/resolve": {"ids": [{"system": "his", "value": "1"}]},
    "/v1/decisions/{id}/replay": {},
}
NOBODY: dict[str, dict[str, Any]] = {
    "/v1/score": {"patient_id": "nobody"},
    "/v1/score/batch": {"tasks": ["nothing"]},
    "/v1/jobs": {"tasks": ["nothing"]},
    "/v1/recommend": {"patient_id": "nobody"},
    "/v1/consents": {"patient_id": "nobody"},
}
"""Path -> what of its body leads to a 404."""
OTHER: dict[str, dict[str, Any]] = {
    "/v1/score": {"explain": "none"},
    "/v1/score/batch": {"patient_ids": ["ok-3"]},
    "/v1/jobs": {"top": 3},
    "/v1/recommend": {"k": 4},
    "/v1/self-test/{task}": {"consent": False},
    "/v1/events": {"events": [{**EVENT, "event_id": "o-2"}]},
    "/v1/consents": {"method": "web"},
    "/v1/identities/resolve": {"ids": [{"system": "his", "value": "2"}]},
}
"""Path -> what makes its body another one under the same Idempotency-Key."""
STILL = re.compile(r" (/|/openapi.json|/metrics|/v1/jobs/{id}.*|/review/review.css|/review/sign-out) (429|503)$")
"""Neither waits for the desk nor asks a part that can be away: reached where the ledger alone cannot be read."""
QUERIES = {"/v1/patients/{id}/profile": {"purpose": "care_followup"}}
ERASED = {"DELETE /v1/patients/{id}": "ok-2"}
REASON = "said to have been asked\x07"


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    hospital: Hospital = made(tmp_path_factory.mktemp("openapi"))
    file = hospital.home / KEYS
    rows = orjson.loads(file.read_bytes())["keys"]
    key = f"nothing-key-for-tests-{'x' * 20}"
    row = {**rows[0], "sha256": digest_of(key), "name": "nothing", "demo": False, "scopes": []}
    write_private(file, orjson.dumps({"keys": [*rows, row]}))
    with served(Hospital(hospital.home, {**hospital.keys, "nothing": key})) as found:
        patient = {"denials_10min": 10**6, "misses_10min": 10**6}
        found.desk.watchman._rules = found.desk.settings.watch.model_copy(update=patient)
        yield found


@pytest.fixture(scope="module")
def told(inside: Inside) -> dict[str, Any]:
    """Return the document, its objects closed: a field that it does not name is a fault."""
    document = copy.deepcopy(inside.client.get("/openapi.json", headers=inside.as_("outreach")).json())
    for shape in document["components"]["schemas"].values():
        if "properties" in shape:
            shape.setdefault("additionalProperties", False)
    return dict(document)


@pytest.fixture(scope="module")
def places(inside: Inside) -> dict[str, str]:
    """Return ids that are there: a decision, and a job with its file."""
    headers = inside.as_("outreach")
    job = inside.client.post("/v1/jobs", json={**ASKED, "cohort": "all"}, headers=headers).headers["Location"]
    for _ in range(600):
        if inside.client.get(job, headers=headers).json()["status"] == "done":
            break
        time.sleep(0.05)
    decision = inside.score()["decision_id"]
    return {"job": job.rpartition("/")[2], "decision": decision, "name": "scores.ndjson", "tag": "age_band"}


def _filled(operation: str, path: str, places: dict[str, str], there: bool) -> str:
    def of(found: re.Match[str]) -> str:
        name = found.group(1)
        if not there and name == "id":
            return "nowhere"
        if name == "id":
            known = {"jobs": places["job"], "decisions": places["decision"], "contents": "c1"}
            return next((each for part, each in known.items() if f"/{part}/" in path), ERASED.get(operation, "ok-1"))
        if name == "task":
            return ("self_test_diabetes" if "self-test" in path else "churn_90d") if there else "nothing"
        return places[name] if there else "nothing"

    return re.sub(r"{(\w+)}", of, path)


def _checked(told: dict[str, Any], operation: dict[str, Any], answer: httpx.Response, label: str) -> None:
    """Hold an answer against what is documented of its status: media type, headers, schema."""
    said = operation["responses"].get(str(answer.status_code))
    assert said is not None, f"{label}: {answer.status_code} is not documented: {answer.text[:300]}"
    assert set(answer.headers) & {"x-request-id"}
    for name in said["headers"]:
        if name not in ("RateLimit", "RateLimit-Policy"):
            assert name in answer.headers, f"{label}: no {name}"
    content = said.get("content", {})
    if answer.status_code in (303, 304) or not content:
        return
    media = answer.headers["content-type"].partition(";")[0]
    assert media in content, f"{label}: {media} is not documented"
    schema = content[media].get("schema")
    if schema and media == JSON:
        Draft202012Validator({**schema, "components": told["components"]}).validate(answer.json())


def _reaches(inside: Inside, places: dict[str, str], method: str, path: str, status: int) -> httpx.Response:
    """Send what leads to a status."""
    operation, form = f"{method} {path}", path.startswith("/review/")
    inside.client.cookies.clear()
    where = _filled(operation, path, places, status != 404)
    holder = "compliance" if re.search(r"decisions|dossier|review|metrics", path) or operation in ERASED else "outreach"
    headers = {} if status == 401 or path == "/review/sign-in" else inside.as_("nothing" if status == 403 else holder)
    ask = functools.partial(inside.client.request, method, where, follow_redirects=False)
    media = FORM if form else JSON
    right: dict[str, Any] = {"params": QUERIES.get(path, {})}
    if method in ("POST", "PUT"):
        chosen = BODIES.get(path, {}) | (NOBODY.get(path, {}) if status == 404 else {})
        key = {401: "x" * 9, 403: inside.hospital.keys["outreach"]}.get(status, inside.hospital.keys["compliance"])
        right["content"] = f"key={key}&token=t&after=%2Freview".encode() if form else orjson.dumps(chosen)
        headers["Content-Type"] = media
    if path == "/review/sign-out" and status == 303:
        cookie = inside.desk.sessions.issue("compliance")
        right["content"] = f"token={inside.desk.sessions.form_token(cookie)}".encode()
        headers = {"Content-Type": FORM, "Cookie": f"carepath_session={cookie}"}
    if status == 413:
        right["content"] = b" " * (inside.desk.settings.body_limit_bytes + 1)
    elif status == 415:
        headers["Content-Type"] = "text/plain"
    elif status == 422 and method in ("POST", "PUT"):
        right["content"] = b"%%%" if form else b"{"
    elif status == 422:
        right["params"] = {"zz": "1"}
        headers |= {"X-Access-Reason": REASON}
    elif status == 304:
        headers["If-None-Match"] = ask(headers=headers).headers["ETag"]
    elif status == 409:
        headers["Idempotency-Key"] = f"again {operation}"
        ask(headers=headers, **right)
        right["content"] = orjson.dumps(BODIES[path] | OTHER[path]) if path in OTHER else b""
    elif status == 429:
        inside.desk.waiting = inside.desk.settings.waiting_limit
    elif status == 503:
        inside.desk.faults["store"] = "away"
    try:
        return ask(headers=headers, **right)
    finally:
        inside.desk.faults.clear()
        inside.desk.waiting = 0


def test_every_documented_status_is_reached_and_answers_as_it_says(
    inside: Inside, told: dict[str, Any], places: dict[str, str]
) -> None:
    missed = []
    for path, methods in told["paths"].items():
        for method, operation in sorted(methods.items(), key=lambda each: each[0] == "delete"):
            for status in sorted(map(int, operation["responses"]), key=lambda each: (each < 400, each)):
                label = f"{method.upper()} {path} {status}"
                answer = _reaches(inside, places, method.upper(), path, status)
                _checked(told, operation, answer, label)
                if answer.status_code != status and not STILL.search(label):
                    missed.append(f"{label}: {answer.status_code} {answer.text[:120]}")
    assert not missed, "\n".join(missed)


def test_lines_and_full_explanations_answer_as_they_say(inside: Inside, told: dict[str, Any]) -> None:
    lines = {"Accept": NDJSON, **inside.as_("outreach")}
    for method, path, name, number in (
        ("post", "/v1/score/batch", "ScoreAnswer", 2),
        ("post", "/v1/events", "EventResult", 1),
        ("post", "/v1/identities/resolve", "ResolvedId", 1),
        ("get", "/v1/decisions", "DecisionRecord", 2),
    ):
        sent: dict[str, Any] = {"json": BODIES[path]} if method == "post" else {"params": {"limit": number}}
        who = lines | (inside.as_("compliance") if method == "get" else {})
        answer = inside.client.request(method, path, headers=who, **sent)
        _checked(told, told["paths"][path][method], answer, path)
        assert answer.headers["Content-Type"] == NDJSON
        assert len(answer.content.splitlines()) == number
        validator = Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": told["components"]})
        for line in answer.content.splitlines():
            validator.validate(orjson.loads(line))
    for path, body in (("/v1/score", {**ASKED, "patient_id": "ok-3"}), ("/v1/recommend", LIST)):
        answer = inside.client.post(path, json={**body, "explain": "full"}, headers=inside.as_("compliance"))
        assert answer.status_code == 200
        _checked(told, told["paths"][path]["post"], answer, f"{path} full")
    for line in inside.client.get("/v1/changes", headers=lines).content.splitlines():
        schema = {"$ref": "#/components/schemas/Change", "components": told["components"]}
        Draft202012Validator(schema).validate(orjson.loads(line))
