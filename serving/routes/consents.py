"""POST /v1/consents: a consent given, changed, objected to or withdrawn."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from features import instants
from features.consent import granted
from serving.access import Principal
from serving.appender import Appender
from serving.changes import announce
from serving.consent import known
from serving.once import Once
from serving.patient_schemas import ConsentAnswer, ConsentRequest
from serving.problem import Problem
from serving.route import Call, Route, answer, packed

if TYPE_CHECKING:
    from serving.desk import Desk


async def consent(call: Call) -> Response:
    asked: ConsentRequest = call.body
    if asked.withdrawn_at is not None and asked.granted_at is not None and asked.withdrawn_at < asked.granted_at:
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
    held = _held(before, asked)
    row = _row(asked, held, stamped)
    known_at = instants.iso(stamped)
    told = {"consent_id": row["event_id"], "version": row["version"], "result": "stored", "known_at": known_at}
    if held is not None and all(held.get(name) == value for name, value in row.items() if name != "version"):
        return packed(told | {"version": held["version"], "result": "duplicate"})
    desk.store.append("consents", [row], stamped)
    appender.turn(asked.patient_id)
    header = {
        "subject": appender.reference(asked.patient_id),
        "consent_id": row["event_id"],
        "version": row["version"],
        "purpose": asked.purpose,
        "withdrawn": row["withdrawn_at"] is not None,
        "automated_decision": row["automated_decision"],
        "principal": principal.name,
        "role": principal.role,
        "at": known_at,
    }
    appender.append("consent", uuid.uuid4().hex, header, row)
    if row["withdrawn_at"] is not None and (held is None or held.get("withdrawn_at") is None):
        announce(appender, "consent.withdrawn", stamped, patient_id=asked.patient_id, purpose=asked.purpose)
    if row["automated_decision"] == "objected" and (held is None or held.get("automated_decision") != "objected"):
        announce(appender, "objection.made", stamped, patient_id=asked.patient_id, purpose=asked.purpose)
    return packed(told)


def _held(rows: list[dict[str, Any]], asked: ConsentRequest) -> dict[str, Any] | None:
    """Return the consent on record that is meant: by its id, else by its evidence, else the latest for the purpose."""
    if asked.consent_id is not None:
        return next((row for row in rows if row["event_id"] == asked.consent_id), None)
    own = [row for row in rows if row["purpose"] == asked.purpose]
    if asked.evidence_ref is not None:
        return next((row for row in own if row["evidence_ref"] == asked.evidence_ref), None)
    given = [row for row in own if asked.withdrawn_at is None or granted(row) <= asked.withdrawn_at]
    return max(given, key=granted, default=None)


def _row(asked: ConsentRequest, held: dict[str, Any] | None, stamped: int) -> dict[str, Any]:
    """Return the event to store: the whole consent as it was sent, or the one held with what was taken back of it."""
    said = asked.model_dump(exclude={"consent_id"})
    if asked.granted_at is not None:
        said["time"] = asked.granted_at
    elif held is None:
        said["time"] = stamped if asked.withdrawn_at is None else asked.withdrawn_at
    else:
        back = {name: said[name] for name in ("withdrawn_at", "automated_decision") if name in asked.model_fields_set}
        said = {name: value for name, value in held.items() if name != "known_at"} | back
    return said | {
        "event_id": held["event_id"] if held is not None else asked.consent_id or uuid.uuid4().hex,
        "source": "api",
        "version": 1 if held is None else held["version"] + 1,
        "void": False,
    }


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
