"""POST /v1/identities/resolve: a hospital's own ids to surrogates; nothing else maps."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from features import instants
from serving.access import Principal
from serving.once import Once
from serving.patient_schemas import ResolveAnswer, ResolvedId, ResolveRequest
from serving.route import Call, Route, lines, packed

if TYPE_CHECKING:
    from serving.desk import Desk


async def resolve(call: Call) -> Response:
    return lines(call, await call.desk.run(_resolved, call.desk, call.principal, call.body, Once(call.desk, call)))


def _resolved(desk: Desk, principal: Principal, asked: ResolveRequest, once: Once) -> bytes:
    """Resolve, record who asked for how many and whom they were told of, then answer."""
    earlier = once.earlier()
    if earlier is not None:
        return earlier
    desk.identities.tell(desk)
    rows = []
    for each in asked.ids:
        found = desk.identities.resolve(each.system, each.value)
        row: dict[str, Any] = {"system": each.system, "value": each.value, "patient_id": found.patient_id}
        rows.append(row | ({"merged_from": found.merged_from} if found.merged_from is not None else {}))
    told = sorted({row["patient_id"] for row in rows if row["patient_id"] is not None})
    header = {
        "principal": principal.name,
        "role": principal.role,
        "department": principal.department,
        "at": instants.iso(desk.clock.now()),
        "asked": len(rows),
        "found": sum(row["patient_id"] is not None for row in rows),
    }
    met = [desk.ledger.keys.reference(patient_id) or patient_id for patient_id in told]
    with desk.ledger.writing() as appender:
        desk.watchman.meet(appender, principal, met)
        appender.append("resolve", uuid.uuid4().hex, header, {"patients": told})
        body = packed(rows)
        once.keep(appender, body)
    return body


ROUTES = (
    Route(
        "POST",
        "/v1/identities/resolve",
        "resolve",
        resolve,
        "Turn a hospital's own ids into surrogates, in the order asked; recorded",
        ResolveRequest,
        ResolveAnswer,
        statuses=(409,),
        lines=ResolvedId,
    ),
)
