"""POST /v1/consents: a consent given, changed, objected to or withdrawn."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from starlette.responses import Response

from features import instants
from serving.access import Principal
from serving.appender import Appender
from serving.changes import announce
from serving.consent import known
from serving.once import Once
from serving.problem import Problem
from serving.route import Call, Route, answer, packed
from serving.schemas import ConsentAnswer, ConsentRequest

if TYPE_CHECKING:
    from serving.desk import Desk


async def consent(call: Call) -> Response:
    asked: ConsentRequest = call.body
    if asked.withdrawn_at is not None and asked.withdrawn_at < asked.granted_at:
        raise Problem(422, "it was withdrawn before it was given", field="withdrawn_at")
    return answer(await call.desk.run(_stored, call.desk, asked, call.principal, Once(call.desk, call)))


def _stored(desk: Desk, asked: ConsentRequest, principal: Principal, once: Once) -> bytes:
    if desk.ledger.keys.tombstone(asked.patient_id) is not None or not desk.store.has(asked.patient_id):
        raise Problem(404, "no such patient", code="unknown_patient", field="patient_id")
    earlier = once.earlier()
    if earlier is not None:
        return earlier
    with desk.ledger.writing() as appender:
        body = _record(desk, asked, principal, appender)
        once.keep(appender, body)
    return body


def _record(desk: Desk, asked: ConsentRequest, principal: Principal, appender: Appender) -> bytes:
    """Store the consent while no decision can be recorded, so that each is judged by it or came before it."""
    stamped = desk.stamp()
    before = known(desk.store.tables(asked.patient_id, ("consents",)).get("consents"), stamped)
    held = next((row for row in before if row["event_id"] == asked.consent_id), None)
    row = asked.model_dump(exclude={"consent_id"}) | {
        "event_id": asked.consent_id,
        "time": asked.granted_at,
        "source": "api",
        "version": 1 if held is None else held["version"] + 1,
        "void": False,
    }
    (result,) = desk.store.append("consents", [row], stamped)
    known_at = instants.iso(stamped)
    appender.turn(asked.patient_id)
    header = {
        "subject": appender.reference(asked.patient_id),
        "consent_id": asked.consent_id,
        "version": row["version"],
        "purpose": asked.purpose,
        "withdrawn": asked.withdrawn_at is not None,
        "automated_decision": asked.automated_decision,
        "principal": principal.name,
        "role": principal.role,
        "at": known_at,
    }
    appender.append("consent", uuid.uuid4().hex, header, asked.model_dump())
    if asked.withdrawn_at is not None and (held is None or held.get("withdrawn_at") is None):
        announce(appender, "consent.withdrawn", stamped, patient_id=asked.patient_id, purpose=asked.purpose)
    if asked.automated_decision == "objected" and (held is None or held.get("automated_decision") != "objected"):
        announce(appender, "objection.made", stamped, patient_id=asked.patient_id, purpose=asked.purpose)
    return packed({"consent_id": asked.consent_id, "version": row["version"], "result": result, "known_at": known_at})


ROUTES = (
    Route(
        "POST",
        "/v1/consents",
        "consents",
        consent,
        "Give, change or withdraw a consent; the next score goes by it",
        ConsentRequest,
        ConsentAnswer,
        statuses=(404, 409),
    ),
)
