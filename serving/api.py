"""The API: every route, and the one Starlette application made of them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from serving.desk import Desk
from serving.gate import Endpoint, Gate, refuse
from serving.problem import Problem
from serving.reading import asked, read
from serving.route import Call, Route
from serving.routes import (
    changes,
    consents,
    contents,
    decisions,
    events,
    identities,
    jobs,
    me,
    models,
    patients,
    profile,
    recommend,
    review,
    score,
    self_test,
    system,
)
from serving.watchman import admit

ROUTES: tuple[Route, ...] = (
    *system.ROUTES,
    *score.ROUTES,
    *jobs.ROUTES,
    *recommend.ROUTES,
    *self_test.ROUTES,
    *events.ROUTES,
    *consents.ROUTES,
    *changes.ROUTES,
    *contents.ROUTES,
    *identities.ROUTES,
    *profile.ROUTES,
    *patients.ROUTES,
    *me.ROUTES,
    *models.ROUTES,
    *decisions.ROUTES,
    *review.ROUTES,
)


def application(desk: Desk, every: tuple[Route, ...] = ROUTES) -> Starlette:
    """Return the application of one worker; it opens the desk when it starts."""

    @contextlib.asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        await desk.open()
        yield
        await desk.close()

    paths: dict[str, dict[str, Route]] = {}
    for route in every:
        paths.setdefault(route.path, {})[route.method] = route
    endpoints = {path: _endpoint(desk, by_method) for path, by_method in paths.items()}
    straight = {(str(each.method), each.path): endpoints[each.path] for each in every if "{" not in each.path}
    app = Starlette(
        routes=[StarletteRoute(path, endpoints[path], methods=list(paths[path])) for path in paths],
        middleware=[Middleware(Gate, desk=desk, straight=straight)],
        exception_handlers={Problem: _refused, HTTPException: _unrouted},
        lifespan=life,
    )
    app.router.redirect_slashes = False
    return app


def _endpoint(desk: Desk, by_method: dict[str, Route]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        route = by_method["GET" if request.method == "HEAD" else request.method]
        seen = request.scope["carepath"]
        seen["route"], principal = route.path, seen["principal"]
        media, raw, body = "", b"", None
        if route.has_body:
            media, raw, body = await read(request, route, desk.settings.body_limit_bytes)
        query = asked(request, route.query) if route.query is not None else None
        if route.scope is not None:
            await admit(desk, principal)
        if route.scope is not None and not principal.may(route.scope):
            raise Problem(403, f"this key does not hold the scope '{route.scope}'")
        return await route.handler(Call(desk, principal, request, body, raw, media, query))

    return endpoint


async def _refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return refuse(request, problem)


async def _unrouted(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        made = refuse(request, Problem(405, "this route takes other methods; see the Allow header"))
        made.headers.update(error.headers or {})
        return made
    return refuse(request, Problem(404, "there is no such route; /openapi.json lists them", code="unknown_route"))
