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
    it reads beside the credentials.
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
    page: bool = False
    bare: bool = False
    headers: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def has_body(self) -> bool:
        return self.method in ("POST", "PUT")


def packed(content: Any) -> bytes:
    """Return JSON bytes; NaN becomes null."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer; bytes are taken as JSON already."""
    body = content if isinstance(content, bytes) else packed(content)
    return Response(body, status, headers=headers, media_type=JSON)
