"""PUT and DELETE /v1/contents/{id}: publish an item, withdraw one before the next list."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from features import instants
from features.instants import micros
from serving.access import Principal
from serving.changes import announce
from serving.patient_schemas import ContentAnswer, ContentRequest
from serving.problem import Problem
from serving.route import Call, Route, answer
from serving.schemas import Surrogate
from training.affinity.item import Item
from training.affinity.safety import unfit

if TYPE_CHECKING:
    from serving.desk import Desk

_ID: TypeAdapter[str] = TypeAdapter(Surrogate)


async def publish(call: Call) -> Response:
    content_id = call.path("id")
    try:
        _ID.validate_python(content_id)
    except ValidationError:
        raise Problem(422, "an item's id is 1 to 64 letters, digits and . _ : -", field="id") from None
    return answer(await call.desk.run(_published, call.desk, call.principal, content_id, call.body))


async def withdraw(call: Call) -> Response:
    return answer(await call.desk.run(_withdrawn, call.desk, call.principal, call.path("id")))


def _published(desk: Desk, principal: Principal, content_id: str, asked: ContentRequest) -> dict[str, Any]:
    now = desk.clock.now()
    row = asked.model_dump() | {"content_id": content_id}
    if row["published_at"] is None:
        row["published_at"] = now
    known = any(item.content_id == content_id for item in desk.catalogue.items)
    desk.store.publish(row)
    result = "replaced" if known else "published"
    withheld = unfit(Item.of(row), now)
    with desk.ledger.writing() as appender:
        receipt = appender.append("content", uuid.uuid4().hex, _header(principal, content_id, result, now), {})
    return {"content_id": content_id, "result": result, "withheld": withheld, "receipt": receipt.as_dict()}


def _withdrawn(desk: Desk, principal: Principal, content_id: str) -> dict[str, Any]:
    """Let an item expire now. Sent again, it is told again: a caller may have missed the first."""
    row = next((each for each in desk.catalogue.table.to_pylist() if each["content_id"] == content_id), None)
    if row is None:
        raise Problem(404, "no such item", code="unknown_content", field="id")
    now = desk.clock.now()
    if row.get("expires_at") is None or micros(row["expires_at"]) > now:
        dates = {name: micros(row[name]) for name in ("published_at",) if row.get(name) is not None}
        desk.store.publish(row | dates | {"expires_at": now})
    with desk.ledger.writing() as appender:
        receipt = appender.append("content", uuid.uuid4().hex, _header(principal, content_id, "withdrawn", now), {})
        announce(appender, "content.withdrawn", now, content_id=content_id)
    return {"content_id": content_id, "result": "withdrawn", "withheld": "expired", "receipt": receipt.as_dict()}


def _header(principal: Principal, content_id: str, act: str, now: int) -> dict[str, Any]:
    return {
        "principal": principal.name,
        "role": principal.role,
        "content_id": content_id,
        "outcome": act,
        "at": instants.iso(now),
    }


ROUTES = (
    Route(
        "PUT",
        "/v1/contents/{id}",
        "contents",
        publish,
        "Publish an item, or replace what is known of it",
        ContentRequest,
        ContentAnswer,
    ),
    Route(
        "DELETE",
        "/v1/contents/{id}",
        "contents",
        withdraw,
        "Withdraw an item before the next list",
        answer=ContentAnswer,
        statuses=(404,),
    ),
)
