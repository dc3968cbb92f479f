"""What the service says of itself: index, contract, probes, metrics."""

from __future__ import annotations

import functools
from importlib.metadata import version

from starlette.responses import Response

from features import instants
from serving import metrics
from serving.openapi import document
from serving.problem import Problem
from serving.route import Call, Route, answer, packed


async def index(call: Call) -> Response:
    clock = call.desk.clock
    return answer(
        {
            "service": "CarePath",
            "version": version("carepath"),
            "now": instants.iso(clock.now()),
            "clock": "pinned" if clock.pinned is not None else "real",
            "contract": "/openapi.json",
            "models": "/v1/models",
            "review": "/review",
        }
    )


async def contract(_call: Call) -> Response:
    return answer(_contract())


@functools.cache
def _contract() -> bytes:
    from serving.api import ROUTES

    return packed(document(ROUTES))


async def live(_call: Call) -> Response:
    return answer({"status": "alive"})


async def ready(call: Call) -> Response:
    wrong = await call.desk.readiness()
    if wrong:
        raise Problem(503, f"not ready: {', '.join(wrong)}", code="not_ready")
    return answer({"status": "ready"})


async def exposition(_call: Call) -> Response:
    return Response(metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


ROUTES = (
    Route("GET", "/", "describe", index, "What this is, and the clock it goes by"),
    Route("GET", "/openapi.json", "describe", contract, "This contract"),
    Route("GET", "/livez", None, live, "Whether the process answers"),
    Route("GET", "/readyz", None, ready, "Whether models, stores, ledger and golden vectors stand", statuses=(503,)),
    Route("GET", "/metrics", "metrics", exposition, "Counts and durations for Prometheus", gives="text/plain"),
)
