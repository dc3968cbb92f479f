"""A route: where it stands, who may call it, what it takes and gives; and what a handler is handed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import orjson
from pydantic import BaseModel
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from serving.access import Principal

if TYPE_CHECKING:
    from serving.desk import Desk

JSON, NDJSON, FORM = "application/json", "application/x-ndjson", "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Call:
    """One request that passed every check of form: who asks, what was read, and the desk to ask.

    ``body`` is the route's request model; raw bytes where NDJSON or a form was sent. ``query`` is
    the route's query model.
    """

    desk: Desk
    principal: Principal
    http: HttpRequest
    body: Any = None
    raw: bytes = b""
    media: str = ""
    query: Any = None

    def path(self, name: str) -> str:
        return str(self.http.path_params[name])


@dataclass(frozen=True)
class Route:
    """One endpoint. ``scope`` is what a principal must hold; None stands open and is for probes alone.

    ``bare``: an empty body will do. ``also``: other media types of its answer. ``headers``: those that
    it reads beside the credentials. ``lines``: what one line of its answer is, as NDJSON.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    scope: str | None
    handler: Callable[[Call], Awaitable[Response]]
    summary: str
    request: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    bodies: tuple[str, ...] = (JSON,)
    gives: str = JSON
    statuses: tuple[int, ...] = ()
    success: int = 200
    lines: type[BaseModel] | None = None
    bare: bool = False
    headers: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def has_body(self) -> bool:
        return self.method in ("POST", "PUT")


def packed(content: Any) -> bytes:
    """Return JSON bytes; NaN becomes null."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def lines(call: Call, body: bytes, rows: str | None = None) -> Response:
    """Return a JSON answer, or one row a line where the caller accepts NDJSON.

    Parameters
    ----------
    rows
        The field that holds the rows; by default the answer is the list of them.
    """
    if NDJSON not in call.http.headers.get("accept", ""):
        return answer(body)
    found = orjson.loads(body)
    return Response(b"".join(packed(row) + b"\n" for row in (found[rows] if rows else found)), media_type=NDJSON)


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer; bytes are taken as JSON already."""
    body = content if isinstance(content, bytes) else packed(content)
    return Response(body, status, headers=headers, media_type=JSON)
