"""The gate: one ASGI middleware before every route, page and file.

It gives the request its id, recognises who asks (only the probes are open), turns every failure
into the envelope, and counts and logs the outcome. Nothing that was sent reaches the log. Every
answer shows a pinned clock.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from features import instants
from serving import metrics
from serving.access import Principal
from serving.journal import log, where
from serving.problem import Problem
from serving.review.pages import failure
from serving.route import answer
from serving.sessions import COOKIE
from serving.watchman import noted

if TYPE_CHECKING:
    from serving.desk import Desk

OPEN = ("/livez", "/readyz")
SIGN_IN = "/review/sign-in"
LONGEST_S = 120.0
"""Seconds within which an answer must begin."""
Endpoint = Callable[[Request], Awaitable[Response]]
_MISSES = ("unknown_patient", "unknown_decision")
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class Gate:
    """Recognises, guards and records every HTTP request.

    Parameters
    ----------
    app
        What finds the route of a request.
    desk
        The worker's.
    straight
        (method, path) -> endpoint of the routes whose path is fixed: these need no search.
    """

    def __init__(self, app: ASGIApp, desk: Desk, straight: Mapping[tuple[str, str], Endpoint]) -> None:
        self._app, self._desk, self._straight = app, desk, straight
        pinned = desk.clock.pinned
        self._told = [] if pinned is None else [(b"x-clock", instants.iso(pinned).encode())]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, request_id, status = time.perf_counter(), secrets.token_hex(16), 0

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                extra = await self._watched(seen, status)
                ours = (b"x-request-id", request_id.encode()), *_HEADERS, *self._told, *extra
                message["headers"] = [*message["headers"], *ours]
            await send(message)

        async def in_time(message: Message) -> None:
            limit.reschedule(None)
            await stamped(message)

        seen: dict[str, Any] = {"route": "unknown", "request_id": request_id, "principal": None, "code": None}
        scope["carepath"] = seen
        request = Request(scope, receive)
        try:
            async with asyncio.timeout(LONGEST_S) as limit:
                seen["principal"] = self._recognise(request)
                endpoint = self._straight.get((scope["method"], scope["path"]))
                if endpoint is None:
                    await self._app(scope, receive, in_time)
                else:
                    await (await endpoint(request))(scope, receive, in_time)
        except Problem as problem:
            await refuse(request, problem)(scope, receive, stamped)
        except Exception as fault:
            log().error("fault", request_id=request_id, route=seen["route"], **where(fault))
            if status:
                raise
            unserved = Problem(503, "the request could not be served; it is safe to send it again")
            await refuse(request, unserved)(scope, receive, stamped)
        spent = time.perf_counter() - begun
        metrics.answered(seen["route"], scope["method"] if seen["route"] != "unknown" else "any", status, spent)
        if seen["route"] not in OPEN:
            who = seen["principal"]
            log().info(
                "request",
                request_id=request_id,
                route=seen["route"],
                status=status,
                code=seen["code"],
                ms=round(spent * 1e3, 2),
                principal=who.name if who else None,
            )

    async def _watched(self, seen: dict[str, Any], status: int) -> list[tuple[bytes, bytes]]:
        """Note a refusal before it leaves, and tell what is left of the quotas."""
        who: Principal | None = seen["principal"]
        if who is None or not self._desk.opened or "ledger" in self._desk.faults:
            return []
        if (status == 403 and seen["code"] != "frozen") or (status == 404 and seen["code"] in _MISSES):
            await noted(self._desk, who, seen["route"], seen["code"], status)
        return self._desk.watchman.headers(who)

    def _recognise(self, request: Request) -> Principal | None:
        path = request.scope["path"]
        if path in OPEN or (path == SIGN_IN and request.method == "POST"):
            return None
        keys, key = self._desk.keys, request.headers.get("x-api-key")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if key is None and scheme.lower() == "bearer":
            key = token.strip()
        found = keys.principal(key) if key is not None else None
        if key is None and path.startswith("/review") and COOKIE in request.cookies:
            name = self._desk.sessions.name(request.cookies[COOKIE])
            found = keys.named(name) if name else None
        if found is None:
            raise Problem(401, "send a valid key as X-API-Key, or as Authorization: Bearer")
        return found


def refuse(request: Request, problem: Problem) -> Response:
    """Return a problem in the envelope; as a page for a browser on the reviewer's pages."""
    request.scope["carepath"]["code"] = problem.code
    if request.scope["path"].startswith("/review") and "text/html" in request.headers.get("accept", ""):
        return failure(request, problem)
    return answer(problem.body(), problem.status, problem.headers())
