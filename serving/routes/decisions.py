"""/v1/decisions: decisions as they were recorded, by id, by query, and made again."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from features import instants
from serving.access import Principal
from serving.inquiry import Inquiry, found
from serving.ledger import Entry, Sealed
from serving.once import Once
from serving.problem import Problem
from serving.record_schemas import DecisionsAnswer, DecisionsQuery, ReplayAnswer, ReplayRequest
from serving.replay import Replay, replay
from serving.route import Call, Route, answer, lines, packed
from serving.schemas import DecisionRecord
from serving.stores import event_store

if TYPE_CHECKING:
    from serving.desk import Desk

REASON = "x-access-reason"
"""Header in which compliance says why it reads what is sealed."""
_LONGEST = 200
_ALONE = threading.Lock()
"""Lists are made again one at a time."""
_HEAVY = frozenset({"values", "contributions", "group_contributions", "reasons_staff"})
_ERASED: dict[str, Any] = {"patient_id": None, "probability": None, "refused": None, "sealed": True}


async def decisions(call: Call) -> Response:
    asked: DecisionsQuery = call.query
    return lines(call, await call.desk.run(_found, call.desk, call.principal, asked), "decisions")


def _found(desk: Desk, principal: Principal, asked: DecisionsQuery) -> bytes:
    inquiry = Inquiry(
        asked.patient_id,
        asked.since,
        asked.until,
        asked.task,
        asked.campaign,
        asked.refused,
        principal.department if principal.role == "clinician" else None,
        asked.after,
        asked.most,
    )
    page = found(desk.ledger, desk.store, inquiry)
    note(desk, principal, "read", what="decisions", number=len(page.entries))
    rows = [_brief(desk, entry) for entry in page.entries]
    return packed({"decisions": rows, "next": str(page.after) if page.after is not None else None})


async def decision(call: Call) -> Response:
    reason = said_why(call)
    entry = await call.desk.run(recorded, call.desk, call.principal, call.path("id"), reason)
    return answer(shown(entry))


async def again(call: Call) -> Response:
    once, reason, desk = Once(call.desk, call), said_why(call), call.desk
    found: Entry | bytes = await desk.run(_asked, desk, call.principal, call.path("id"), reason, once)
    if isinstance(found, bytes):
        return answer(found)
    return answer(await desk.run(_told, desk, call.principal, await replayed(desk, found), once))


def _asked(desk: Desk, principal: Principal, decision_id: str, reason: str | None, once: Once) -> Entry | bytes:
    return once.earlier() or recorded(desk, principal, decision_id, reason)


async def replayed(desk: Desk, entry: Entry) -> Replay:
    """Return what a replay of a decision or a list finds."""
    if entry.kind == "list":
        return await asyncio.get_running_loop().run_in_executor(None, _apart, desk, entry)
    return await desk.run(replay, entry, desk.home, desk.store, desk.settings)


def _apart(desk: Desk, entry: Entry) -> Replay:
    """Replay a list over a connection of its own: popularity reads what all patients touched, and scores go on."""
    with _ALONE, contextlib.closing(event_store(desk.home)) as store:
        return replay(entry, desk.home, store, desk.settings)


def _told(desk: Desk, principal: Principal, made: Replay, once: Once) -> bytes:
    earlier = once.earlier()
    if earlier is not None:
        return earlier
    note(desk, principal, "replay", decision_id=made.decision_id, verdict=made.verdict)
    return once.keep_alone(packed(made.as_dict()))


def recorded(desk: Desk, principal: Principal, decision_id: str, reason: str | None = None) -> Entry:
    """Return a decision (of content, a list) and record that it was read.

    Parameters
    ----------
    reason
        Why it is read, for the access log; demanded where the patient is sealed.

    Raises
    ------
    Problem
        404 where there is none, or what it said was erased; 403 for a clinician of another
        department, and for a sealed patient to all but compliance with a reason.
    """
    tried = (desk.ledger.entry(kind, decision_id) for kind in ("decision", "list"))
    entry = next((each for each in tried if each is not None), None)
    if entry is None:
        raise Problem(404, "no such decision", code="unknown_decision", field="id")
    if principal.role == "clinician" and entry.header["department"] != principal.department:
        raise Problem(403, "the decision belongs to another department")
    subject = entry.header.get("subject")
    patient_id = desk.ledger.patient(subject) if subject else None
    if patient_id is not None and desk.ledger.keys.tombstone(patient_id) is not None:
        if principal.role != "compliance":
            raise Problem(403, "the patient is sealed", code="sealed")
        if not reason:
            raise Problem(403, "the patient is sealed; say why in the header X-Access-Reason", code="reason_required")
    try:
        entry.payload  # noqa: B018  # a destroyed key is found out before the reading is recorded
    except Sealed:
        raise Problem(404, "what the decision said was erased with its patient", code="erased", field="id") from None
    note(desk, principal, "read", patient_id=patient_id, decision_id=entry.id, reason=reason)
    return entry


def note(desk: Desk, principal: Principal, kind: str, *, patient_id: str | None = None, **more: Any) -> None:
    """Append to the ledger that somebody did something with records; ``more`` must be no personal data."""
    header = {
        "principal": principal.name,
        "role": principal.role,
        "department": principal.department,
        "at": instants.iso(desk.clock.now()),
        **more,
    }
    with desk.ledger.writing() as appender:
        if patient_id is not None:
            header["subject"] = appender.reference(patient_id)
            desk.watchman.meet(appender, principal, [header["subject"]])
        appender.append(kind, uuid.uuid4().hex, header, {})


def said_why(call: Call) -> str | None:
    """Return why records are read, as the caller says it in the header X-Access-Reason."""
    given = call.http.headers.get(REASON)
    if given is not None and not (1 <= len(given) <= _LONGEST and given.isprintable()):
        raise Problem(422, f"a reason is 1 to {_LONGEST} printable characters", field="X-Access-Reason")
    return given


def _brief(desk: Desk, entry: Entry) -> dict[str, Any]:
    """Return a decision without its values and contributions; of a sealed patient the header alone."""
    row = shown(entry)
    if row["patient_id"] is not None and desk.ledger.keys.tombstone(row["patient_id"]) is not None:
        row = {"decision_id": entry.id, **entry.header, **_ERASED, "receipt": row["receipt"]}
    return {name: value for name, value in row.items() if name not in _HEAVY}


def shown(entry: Entry) -> dict[str, Any]:
    """Return header and payload of a decision as one object, with its receipt."""
    try:
        payload = entry.payload
    except Sealed:
        payload = _ERASED
    return {"decision_id": entry.id, **entry.header, **payload, "receipt": entry.receipt.as_dict()}


ROUTES = (
    Route(
        "GET",
        "/v1/decisions",
        "decisions",
        decisions,
        "Decisions by patient, time, task, campaign and refusal, newest first, in pages",
        answer=DecisionsAnswer,
        query=DecisionsQuery,
        lines=DecisionRecord,
    ),
    Route(
        "GET",
        "/v1/decisions/{id}",
        "decisions",
        decision,
        "One decision as it was recorded",
        answer=DecisionRecord,
        statuses=(404, 422),
        headers=("X-Access-Reason",),
    ),
    Route(
        "POST",
        "/v1/decisions/{id}/replay",
        "decisions",
        again,
        "Make a decision or a list again from the recorded model and events, and say what differs",
        ReplayRequest,
        ReplayAnswer,
        statuses=(404, 409),
        bare=True,
        headers=("X-Access-Reason",),
    ),
)
