"""Every route: guarded, in the contract, and answering in the envelope whatever comes."""

from __future__ import annotations

import re

import httpx
import pytest

from serving.access import ROLES
from serving.api import ROUTES
from serving.gate import OPEN, SIGN_IN
from serving.route import Route
from tests.service.conftest import Running

PLACES = {"task": "self_test_diabetes", "id": "0" * 32, "tag": "diabetes", "name": "scores.ndjson"}
POSTS = [route for route in ROUTES if route.has_body]
IDS = [f"{route.method} {route.path}" for route in ROUTES]


def _path(route: Route) -> str:
    return re.sub(r"{(\w+)}", lambda found: PLACES[found.group(1)], route.path)


def _is_envelope(answer: httpx.Response) -> bool:
    told = answer.json()
    return list(told) == ["error"] and set(told["error"]) == {"code", "message", "field"}


def test_only_the_probes_and_signing_in_need_no_scope() -> None:
    assert {route.path for route in ROUTES if route.scope is None} == {*OPEN, SIGN_IN}
    assert {route.scope for route in ROUTES} - {None} <= frozenset().union(*ROLES.values())


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_nobody_gets_in_without_a_key(service: Running, route: Route) -> None:
    if route.scope is None:
        return
    wrong = "x" * 43
    tried: tuple[dict[str, str], ...] = ({}, {"X-API-Key": wrong}, {"Authorization": f"Bearer {wrong}"})
    for headers in (*tried, {"Cookie": "carepath_session=a.b"}):
        with service.client(None) as nobody:
            answer = nobody.request(route.method, _path(route), headers=headers)
        assert answer.status_code == 401
        assert _is_envelope(answer)


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_another_method_is_405(compliance: httpx.Client, route: Route) -> None:
    answer = compliance.patch(_path(route))
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert route.method in answer.headers["Allow"]


@pytest.mark.parametrize("route", POSTS, ids=[f"{route.method} {route.path}" for route in POSTS])
def test_a_body_is_capped_and_typed(compliance: httpx.Client, route: Route) -> None:
    big = compliance.request(
        route.method, _path(route), content=b"1" * 10_000_000, headers={"Content-Type": "application/json"}
    )
    assert (big.status_code, _is_envelope(big)) == (413, True)
    typed = compliance.request(route.method, _path(route), content=b"x", headers={"Content-Type": "text/plain"})
    assert (typed.status_code, _is_envelope(typed)) == (415, True)


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_a_key_without_the_scope_is_403(service: Running, route: Route) -> None:
    if route.scope is None or route.scope in ROLES["outreach"]:
        return
    with service.client("outreach") as client:
        form = {"content": b"{}" if route.bare else b"a=b", "headers": {"Content-Type": route.bodies[0]}}
        body = form if route.has_body else {}
        answer = client.request(route.method, _path(route), **body)  # type: ignore[arg-type]
    assert (answer.status_code, _is_envelope(answer)) == (403, True)


@pytest.mark.parametrize("path", ["/v1", "/v1/score/", "/docs.json", "/schema.json", "/healthz", "/static_content/x"])
def test_an_unknown_route_is_404_in_the_envelope(compliance: httpx.Client, path: str) -> None:
    answer = compliance.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_route")


def test_the_contract_names_every_route(compliance: httpx.Client) -> None:
    told = compliance.get("/openapi.json").json()
    assert {(method.upper(), path) for path, each in told["paths"].items() for method in each} == {
        (route.method, route.path) for route in ROUTES
    }
    references = set(re.findall(r"#/components/schemas/(\w+)", str(told)))
    assert references <= set(told["components"]["schemas"])


def test_the_index_tells_the_clock(compliance: httpx.Client) -> None:
    told = compliance.get("/").json()
    assert (told["clock"], told["now"]) == ("pinned", "2025-06-30T00:00:00+00:00")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_key_is_taken_as_a_bearer_too(service: Running, scheme: str) -> None:
    with service.client(None) as client:
        headers = {"Authorization": f"{scheme} {service.hospital.keys['outreach']}"}
        assert client.get("/v1/me", headers=headers).json()["name"] == "outreach"


def test_every_answer_shows_a_pinned_clock(service: Running) -> None:
    with service.client(None) as nobody:
        for path in ("/livez", "/v1/models", "/nowhere"):
            assert nobody.get(path).headers["X-Clock"] == "2025-06-30T00:00:00+00:00"


def test_the_probes_are_open(service: Running) -> None:
    with service.client(None) as nobody:
        assert nobody.get("/livez").json() == {"status": "alive"}
        assert nobody.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_routes_not_people(compliance: httpx.Client) -> None:
    compliance.get("/v1/models")
    text = compliance.get("/metrics").text
    assert re.search(r'carepath_requests_total{method="GET",route="/v1/models",status="200"} \d', text)
    assert "carepath_explanation_faults" in text
