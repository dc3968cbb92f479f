"""The BentoML service: workers, probes and build around one Starlette application.

BentoML's own routes (``/livez``, ``/healthz``, ``/docs.json``, ``/schema.json`` and its page at
``/``) come before a mount, so a middleware hands every HTTP request to the application; the mount
makes BentoML run its start and stop. The state folder and the clock come from CAREPATH_HOME and
CAREPATH_CLOCK, because every worker is a process of its own.
"""

from __future__ import annotations

import os
from pathlib import Path

from serving.start import CLOCK, HOME, QUIET, WORKERS, keep_pandas_out

os.environ.update(QUIET)

if WORKERS in os.environ:
    keep_pandas_out()

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.api import application
from serving.clock import Clock
from serving.desk import Desk
from serving.journal import open_journal

open_journal()
app = application(Desk(Path(os.environ.get(HOME, "var")), Clock.at(os.environ.get(CLOCK))))


class Front:
    """Hands HTTP to our application, and start and stop to BentoML's.

    BentoML puts its own middleware (tracing, time limit) before any that is added; at the start
    this one takes its place before them, so that no request pays for what `serving.gate` does.
    """

    def __init__(self, bento: ASGIApp, app: ASGIApp) -> None:
        self._bento, self._app = bento, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
            return
        whole = scope["app"]
        if not isinstance(whole.middleware_stack, Front):
            whole.middleware_stack = Front(whole.middleware_stack, self._app)
        await self._bento(scope, receive, send)


@bentoml.service(
    workers=int(os.environ.get(WORKERS) or 1),
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    http={"host": "127.0.0.1", "port": 3000},
)
class CarePath:
    """Scores with their exact reasons, every one on record."""


CarePath.mount_asgi_app(app, path="/")  # type: ignore[attr-defined]  # the decorator makes it a Service
CarePath.add_asgi_middleware(Front, app=app)  # type: ignore[attr-defined]
