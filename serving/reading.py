"""Reading a request's body: capped, typed, parsed, in the order of DESIGN's statuses."""

from __future__ import annotations

import json
from typing import Any

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from serving.problem import Problem, nearest
from serving.route import JSON, Route

_DRAIN = 16


async def read(request: Request, route: Route, limit: int) -> tuple[str, bytes, Any]:
    """Return (media type, raw bytes, body): the route's request model, or the bytes where it is not JSON.

    Raises
    ------
    Problem
        413, 415 or 422. What lies past the limit is read away and not kept, so that the caller
        can read the answer.
    """
    raw = await _capped(request, limit)
    if not raw and route.bare:
        return "", b"", None
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    media, parameters = media.strip().lower(), parameters.replace(" ", "").lower().strip(";")
    if media not in route.bodies or parameters not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise Problem(415, f"send {' or '.join(route.bodies)} in UTF-8")
    if media != JSON or route.request is None:
        return media, raw, raw
    return media, raw, validated(route.request, parse(raw))


async def _capped(request: Request, limit: int) -> bytes:
    kept, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            kept += chunk
        elif size > _DRAIN * limit:
            break
    if size > limit:
        raise Problem(413, f"the body is larger than {limit} bytes")
    return bytes(kept)


def parse(raw: bytes) -> Any:
    """Return JSON as Python values.

    Raises
    ------
    Problem
        422 for anything that is not JSON, NaN and infinity among it, and for a name given twice in
        one object (which of the two was meant cannot be known).
    """
    try:
        found = orjson.loads(raw)
        json.loads(raw, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        twice = "a field is given twice" if isinstance(error, _Twice) else "the body is not valid JSON"
        raise Problem(422, twice, code="malformed_json") from None
    return found


class _Twice(ValueError):
    """A name stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Twice


def asked(request: Request, model: type[BaseModel]) -> Any:
    """Return what stands behind the question mark as the route's query model.

    Raises
    ------
    Problem
        422 for an unknown or missing name, one given twice, or a value that does not fit.
    """
    pairs = request.query_params.multi_items()
    if len({name for name, _ in pairs}) != len(pairs):
        raise Problem(422, "a parameter is given twice")
    return validated(model, dict(pairs))


def validated(model: type[BaseModel], found: Any) -> Any:
    """Return a parsed body as its request model.

    Raises
    ------
    Problem
        422 naming the first field that is wrong, by our own names only.
    """
    try:
        return model.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        names = tuple(field.alias or name for name, field in model.model_fields.items())
        if first["type"] == "extra_forbidden":
            near = nearest(str(first["loc"][-1]), names)
            raise Problem(422, f"unknown field{near}", code="unknown_field") from None
        field = _field(first["loc"] or (first.get("ctx", {}).get("name", ""),), names)
        message = (
            "an object is expected" if first["type"] == "model_type" else first["msg"][:1].lower() + first["msg"][1:]
        )
        raise Problem(422, message, field=field) from None


def _field(place: tuple[int | str, ...], names: tuple[str, ...]) -> str | None:
    if not place or place[0] not in names:
        return None
    return ".".join([str(place[0]), *(str(part) for part in place[1:2] if isinstance(part, int))])
