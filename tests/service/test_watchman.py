"""Access: every route under every role, department and purpose; quotas; freezing, at once and on every worker."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import pytest

from features.params import general
from serving.access import ROLES
from serving.api import ROUTES
from serving.gate import OPEN, SIGN_IN
from serving.route import FORM, Route
from tests.service.conftest import Hospital
from tests.service.inside import ASKED, PURPOSES, Inside, keyed, made, served

WHO = ("outreach", "compliance", "scientist", "cardiology", "urology", "admin")
ROLE = {"scientist": "data_scientist", "cardiology": "clinician", "urology": "clinician"}
NEVER = {
    "outreach": {"explain", "past", "decisions", "review", "dossier", "erase", "metrics"},
    "data_scientist": {"score", "recommend", "resolve", "events", "decisions", "dossier", "review", "profile"},
    "clinician": {"resolve", "erase", "events", "consents"},
    "compliance": {"events", "resolve"},
    "admin": {"score", "decisions", "review", "explain", "dossier", "profile", "recommend"},
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return made(tmp_path_factory.mktemp("watchman"))


@pytest.fixture
def inside(hospital: Hospital) -> Iterator[Inside]:
    with served(hospital) as found:
        yield found


def test_roles_hold_no_scope_that_they_must_never_have() -> None:
    for role, never in NEVER.items():
        assert not ROLES[role] & never, role


def _body(route: Route, purpose: str, patient_id: str) -> dict[str, Any]:
    """Return a request that is right in form, so that only the right to it decides."""
    if not route.has_body:
        return {"params": {"purpose": purpose}} if route.query and "purpose" in route.query.model_fields else {}
    if FORM in route.bodies:
        return {"content": b"a=b", "headers": {"Content-Type": FORM}}
    bodies: dict[str, Any] = {
        "/v1/score": {**ASKED, "patient_id": patient_id, "purpose": purpose},
        "/v1/score/batch": {"patient_ids": [patient_id], "tasks": ["churn_90d"], "purpose": purpose},
        "/v1/recommend": {"patient_id": patient_id, "k": 1, "channel": "app", "purpose": purpose},
        "/v1/self-test/{task}": {"answers": {}, "consent": True},
        "/v1/events": {"events": [{"table": "nothing"}]},
    }
    return {"json": bodies.get(route.path, {})}


@pytest.mark.parametrize("who", WHO)
def test_no_route_is_unguarded(inside: Inside, who: str) -> None:
    """Whoever lacks the scope gets nothing from a route, whatever department or purpose is named."""
    role = ROLE.get(who, who)
    walked = 0
    for route, purpose in itertools.product(ROUTES, (*PURPOSES, "service_marketing")):
        if route.path in (*OPEN, SIGN_IN):
            continue
        assert route.scope is not None, route.path
        path = re.sub(r"{task}", "self_test_diabetes", route.path)
        path = re.sub(r"{\w+}", "nobody-here", path)
        sent = _body(route, purpose, "nobody-here")
        headers = {**inside.as_(who), **sent.pop("headers", {})}
        answer = inside.client.request(route.method, path, headers=headers, follow_redirects=False, **sent)
        walked += 1
        if route.scope not in ROLES[role]:
            assert answer.status_code in (403, 422), (route.path, answer.status_code)
            assert "error" in answer.json()
        elif "purpose" in str(sent) and purpose == "service_marketing" and answer.status_code != 422:
            assert answer.status_code == 403, (route.path, answer.status_code)
        else:
            assert answer.status_code != 401
    assert walked > 60


def test_full_explanations_are_403_never_a_thinner_200(inside: Inside) -> None:
    for who, status in (("outreach", 403), ("compliance", 200), ("cardiology", 200)):
        body = {**ASKED, "explain": "full"}
        assert inside.client.post("/v1/score", json=body, headers=inside.as_(who)).status_code == status


def test_me_tells_role_purposes_and_quotas(inside: Inside) -> None:
    inside.score("outreach")
    told = inside.client.get("/v1/me", headers=inside.as_("outreach")).json()
    assert (told["name"], told["role"], told["hours"]) == ("outreach", "outreach", [0, 24])
    assert "score" in told["scopes"]
    assert "explain" not in told["scopes"]
    quota = {each["name"]: each for each in told["quotas"]}["patients_10min"]
    assert (quota["limit"], quota["used"] >= 1, quota["window_s"]) == (20_000, True, 600)


def test_answers_carry_rate_limit_headers(inside: Inside, hospital: Hospital) -> None:
    more = keyed(hospital, "limited", patients_10min=5, patients_day=9)
    with served(more) as found:
        left = []
        for patient_id in ("ok-1", "ok-2", "ok-2", "ok-3"):
            body = {**ASKED, "patient_id": patient_id}
            answer = found.client.post("/v1/score", json=body, headers=found.as_("limited"))
            left.append(int(re.search(r"r=(\d+)", answer.headers["RateLimit"]).group(1)))  # type: ignore[union-attr]
        assert left == [4, 3, 3, 2]
        assert answer.headers["RateLimit-Policy"] == '"patients";q=5;w=600, "patients-day";q=9;w=86400'


def test_more_patients_than_declared_freeze_the_key_on_every_worker(hospital: Hospital) -> None:
    more = keyed(hospital, "scraper", patients_10min=2)
    with served(more) as one, served(more) as other:
        for patient_id, found in (("ok-1", one), ("ok-2", other), ("ok-1", one)):
            found.score("scraper", patient_id=patient_id)
        before = one.desk.ledger.head().seq
        body = {**ASKED, "patient_id": "ok-3"}
        over = one.client.post("/v1/score", json=body, headers=one.as_("scraper"))
        assert (over.status_code, over.json()["error"]["code"]) == (429, "quota_exceeded")
        assert over.headers["Retry-After"]
        for found in (one, other):
            answer = found.client.post("/v1/score", json=ASKED, headers=found.as_("scraper"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "frozen")
            assert found.client.get("/v1/models", headers=found.as_("scraper")).status_code == 403
        kinds = [entry.kind for entry in one.desk.ledger.where("seq > ?", (before,), 10)]
        assert kinds == ["freeze"]
        assert other.score("outreach")["probability"] is not None
        assert one.desk.watchman.unfreeze("scraper", ("admin-1", "admin-2"))
        assert other.score("scraper")["probability"] is not None
        assert one.desk.ledger.latest("unfreeze", 1)[0].header["persons"] == ["admin-1", "admin-2"]


def test_a_batch_within_the_quota_is_normal(inside: Inside) -> None:
    ids = ["ok-1", "ok-2", "ok-3", *(f"nobody-{number}" for number in range(900))]
    for _ in range(3):
        body = {"patient_ids": ids, "tasks": ["churn_90d"], "purpose": "care_followup"}
        answer = inside.client.post("/v1/score/batch", json=body, headers=inside.as_("outreach"))
        assert answer.status_code == 200
    assert inside.client.get("/v1/me", headers=inside.as_("outreach")).status_code == 200


def test_denials_are_recorded_and_too_many_freeze(hospital: Hospital) -> None:
    more = keyed(hospital, "prober")
    with served(more) as found:
        most = found.desk.settings.watch.denials_10min
        statuses = set()
        for _ in range(most + 1):
            statuses.add(found.client.get(f"/v1/decisions/{'0' * 32}", headers=found.as_("prober")).status_code)
        assert statuses == {403}
        assert found.client.get("/v1/models", headers=found.as_("prober")).json()["error"]["code"] == "frozen"
        entry = found.desk.ledger.latest("denial", 1)[0]
        assert (entry.header["principal"], entry.header["route"]) == ("prober", "/v1/decisions/{id}")


def test_guessing_ids_freezes(hospital: Hospital) -> None:
    more = keyed(hospital, "guesser")
    with served(more) as found:
        found.desk.watchman._rules = found.desk.settings.watch.model_copy(update={"misses_10min": 5})
        codes = [
            found.client.post("/v1/score", json={**ASKED, "patient_id": f"guess-{n}"}, headers=found.as_("guesser"))
            for n in range(7)
        ]
        assert [each.status_code for each in codes] == [404] * 6 + [403]


def test_out_of_hours_freezes(hospital: Hospital) -> None:
    hour = datetime.now(general().zone).hour
    asleep = [(hour + 2) % 24, (hour + 2) % 24 + 1]
    more = keyed(hospital, "night", hours=asleep)
    with served(more) as found:
        answer = found.client.post("/v1/score", json=ASKED, headers=found.as_("night"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "frozen")
        assert found.desk.ledger.latest("freeze", 1)[0].header["why"] == "out of its hours"


def test_reading_counts_patients_too(hospital: Hospital) -> None:
    more = keyed(hospital, "reader", like="compliance", patients_10min=1)
    with served(more) as found:
        ids = [found.score(patient_id=patient_id)["decision_id"] for patient_id in ("ok-1", "ok-2")]
        answers: list[httpx.Response] = [
            found.client.get(f"/v1/decisions/{each}", headers=found.as_("reader")) for each in ids
        ]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert found.client.get("/v1/me", headers=found.as_("reader")).status_code == 403


def test_lists_count_patients_too(hospital: Hospital) -> None:
    more = keyed(hospital, "lister", patients_10min=1)
    with served(more) as found:
        body = {"k": 1, "channel": "app", "purpose": "health_education", "personalised": False}
        answers: list[httpx.Response] = [
            found.client.post("/v1/recommend", json={**body, "patient_id": each}, headers=found.as_("lister"))
            for each in ("ok-1", "ok-1", "ok-2")
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
