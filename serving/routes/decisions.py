"""GET /v1/decisions/{id}: one decision as it was recorded."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from features import instants
from serving.access import Principal
from serving.ledger import Entry
from serving.problem import Problem
from serving.route import Call, Route, answer
from serving.schemas import DecisionRecord

if TYPE_CHECKING:
    from serving.desk import Desk


async def decision(call: Call) -> Response:
    entry = await call.desk.run(recorded, call.desk, call.principal, call.path("id"), ("decision", "list"))
    return answer(shown(entry))


def recorded(desk: Desk, principal: Principal, decision_id: str, kinds: tuple[str, ...] = ("decision",)) -> Entry:
    """Return a decision (of content, a list) and record that it was read.

    Raises
    ------
    Problem
        404 where there is none; 403 for a clinician of another department.
    """
    found = (desk.ledger.entry(kind, decision_id) for kind in kinds)
    entry = next((each for each in found if each is not None), None)
    if entry is None:
        raise Problem(404, "no such decision", code="unknown_decision", field="id")
    if principal.role == "clinician" and entry.header["department"] != principal.department:
        raise Problem(403, "the decision belongs to another department")
    header = {
        "principal": principal.name,
        "role": principal.role,
        "decision_id": entry.id,
        "at": instants.iso(desk.clock.now()),
    }
    with desk.ledger.writing() as appender:
        appender.append("read", uuid.uuid4().hex, header, {})
    return entry


def shown(entry: Entry) -> dict[str, Any]:
    """Return header and payload of a decision as one object, with its receipt."""
    return {"decision_id": entry.id, **entry.header, **entry.payload, "receipt": entry.receipt.as_dict()}


ROUTES = (
    Route(
        "GET",
        "/v1/decisions/{id}",
        "decisions",
        decision,
        "One decision as it was recorded",
        answer=DecisionRecord,
        statuses=(404,),
    ),
)
