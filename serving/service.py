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
    """Hands HTTP to our application, and the rest (start and stop) to BentoML's."""

    def __init__(self, bento: ASGIApp, app: ASGIApp) -> None:
        self._bento, self._app = bento, app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._app if scope["type"] == "http" else self._bento)(scope, receive, send)


@bentoml.service(
    workers=int(os.environ.get(WORKERS) or 1),
    traffic={"timeout": 120},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    http={"host": "127.0.0.1", "port": 3000},
)
class CarePath:
    """Scores with their exact reasons, every one on record."""


CarePath.mount_asgi_app(app, path="/")  # type: ignore[attr-defined]  # the decorator makes it a Service
CarePath.add_asgi_middleware(Front, app=app)  # type: ignore[attr-defined]
