"""The BentoML service: workers, probes and build around one Starlette application.

BentoML's own routes (``/livez``, ``/healthz``, ``/docs.json``, ``/schema.json`` and its page at
``/``) come before a mount, so a middleware hands every HTTP request to the application; the mount
makes BentoML run its start and stop. The state folder and the clock come from CAREPATH_HOME and
CAREPATH_CLOCK, because every worker is a process of its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

for _name, _value in (
    ("BENTOML_DO_NOT_TRACK", "True"),
    ("OTEL_SDK_DISABLED", "true"),
    ("OMP_NUM_THREADS", "1"),
    ("NUMBA_NUM_THREADS", "1"),
):
    os.environ.setdefault(_name, _value)

import bentoml  # noqa: E402
from starlette.types import ASGIApp, Receive, Scope, Send  # noqa: E402

from serving.api import application  # noqa: E402
from serving.clock import Clock  # noqa: E402
from serving.desk import Desk  # noqa: E402
from serving.journal import open_journal  # noqa: E402

HOME = "CAREPATH_HOME"
CLOCK = "CAREPATH_CLOCK"

open_journal()
app = application(Desk(Path(os.environ.get(HOME, "var")), Clock.at(os.environ.get(CLOCK))))


class Front:
    """Hands HTTP to our application, and the rest (start and stop) to BentoML's."""

    def __init__(self, bento: ASGIApp) -> None:
        self._bento = bento

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope["type"] == "http" else self._bento)(scope, receive, send)


@bentoml.service(
    workers=1,
    traffic={"timeout": 120},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    http={"host": "127.0.0.1", "port": 3000},
)
class CarePath:
    """Scores with their exact reasons, every one on record."""


CarePath.mount_asgi_app(app, path="/")
CarePath.add_asgi_middleware(Front)


def run(home: Path, host: str, port: int, clock: str | None) -> None:
    """Replace this process by BentoML's server of this service; it does not return."""
    os.environ[HOME] = str(home.resolve())
    os.environ[CLOCK] = clock or ""
    root = Path(__file__).resolve().parents[1]
    arguments = ["serve", "serving.service:CarePath", "--working-dir", str(root), "--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "bentoml", *arguments])
