"""/openapi.json, generated from the routes and their models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.once import LONGEST
from serving.problem import CODES
from serving.route import FORM, NDJSON, Route
from serving.schemas import ErrorAnswer

_REF = "#/components/schemas/{model}"
_ALWAYS = (401, 403, 429, 503)
_BODY = (413, 415, 422)
_UNCHANGED = 304


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of these routes."""
    routes = tuple(routes)
    models: list[type[BaseModel]] = [ErrorAnswer]
    for route in routes:
        models += [model for model in (route.request, route.answer) if model is not None]
    wanted = [(model, _mode(model, routes)) for model in dict.fromkeys(models)]
    names, schemas = models_json_schema(wanted, ref_template=_REF)  # type: ignore[arg-type]
    refs = {model: schema for (model, _), schema in names.items()}
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": "CarePath", "version": version("carepath"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _mode(model: type[BaseModel], routes: tuple[Route, ...]) -> str:
    return "validation" if any(route.request is model for route in routes) else "serialization"


def _operation(route: Route, refs: dict[Any, Any]) -> dict[str, Any]:
    error = {"content": {"application/json": {"schema": refs[ErrorAnswer]}}}
    statuses = {*route.statuses, *(_ALWAYS if route.scope else ()), *(_BODY if route.has_body else ())}
    statuses |= {422} if route.query is not None else set()
    responses: dict[str, Any] = {
        str(status): {"description": CODES[status], **error} for status in sorted(statuses) if status != _UNCHANGED
    }
    if _UNCHANGED in statuses:
        responses[str(_UNCHANGED)] = {"description": "what the caller holds still stands"}
    good = refs[route.answer] if route.answer else {}
    responses[str(route.success)] = {
        "description": "answered",
        "content": {media: {"schema": good} if good else {} for media in (route.gives, *route.also)},
    }
    if route.lines is not None:
        lines = {"schema": {"type": "string", "description": f"one {route.lines.__name__} a line"}}
        responses[str(route.success)]["content"][NDJSON] = lines
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _identifier(route),
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", route.path)
        ],
        "responses": {status: {**told, "headers": _told(status, route)} for status, told in sorted(responses.items())},
        "security": [{"key": []}, {"token": []}] if route.scope else [],
    }
    if route.query is not None:
        asked = route.query.model_json_schema()
        operation["parameters"] += [
            {"name": name, "in": "query", "required": name in asked.get("required", ()), "schema": shape}
            for name, shape in asked["properties"].items()
        ]
    if route.method == "POST" and route.answer is not None:
        operation["parameters"].append(_header("Idempotency-Key", maxLength=LONGEST))
    operation["parameters"] += [_header(name) for name in route.headers]
    if route.has_body:
        shape = {"schema": refs[route.request]} if route.request else {"schema": {"type": "object"}}
        lines = {"schema": {"type": "string", "description": "one JSON object a line"}}
        operation["requestBody"] = {
            "required": not route.bare,
            "content": {media: lines if media in (NDJSON, FORM) else shape for media in route.bodies},
        }
    return operation


def _header(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string", **more}}


def _told(status: str, route: Route) -> dict[str, Any]:
    """Return the headers of an answer; X-Clock and the RateLimit headers only where they apply."""
    names = ["X-Request-Id", "X-Clock"]
    names += ["RateLimit", "RateLimit-Policy"] if route.scope and status != "401" else []
    names += ["Retry-After"] if status in ("429", "503") else []
    names += ["WWW-Authenticate"] if status == "401" else []
    names += ["Location"] if status == "202" else []
    names += ["ETag"] if "If-None-Match" in route.headers and status in ("200", "304") else []
    return {name: {"schema": {"type": "string"}} for name in names}


def _identifier(route: Route) -> str:
    return "_".join([route.method.lower(), *re.findall(r"\w+", route.path)])
