"""Encounter, Appointment and CarePlan as canonical rows."""

from __future__ import annotations

from collections.abc import Iterator

from features.sources.draft import Draft
from features.sources.fhir.elements import Json, encounter_of, known, reference, soon, updated, version, when, words
from features.sources.fhir.files import Record

KINDS = {
    "AMB": "outpatient",
    "PRENC": "outpatient",
    "EMER": "emergency",
    "IMP": "inpatient",
    "ACUTE": "inpatient",
    "NONAC": "inpatient",
    "OBSENC": "inpatient",
    "SS": "inpatient",
    "HH": "home",
    "FLD": "home",
    "VR": "online",
}
"""Encounter.class (v3-ActCode) to the kind of visit."""

STATUS = {
    "planned": "planned",
    "arrived": "in_progress",
    "triaged": "in_progress",
    "in-progress": "in_progress",
    "onleave": "in_progress",
    "finished": "finished",
    "cancelled": "cancelled",
}
"""Encounter.status to the status of a visit; entered-in-error voids it, any other is unknown."""

_BOOKINGS = {"booked": "planned", "pending": "planned", "noshow": "no_show", "cancelled": "cancelled"}


def encounter(resource: Json, at: Record) -> Iterator[Draft]:
    """Draft a visit: a version for each state that it passed through, each known when it began.

    statusHistory says when a visit was booked and when it began; a stay without one is in progress
    from its start. The last state is known at meta.lastUpdated or at the end of the visit.
    """
    period = resource.get("period") or {}
    start, end = when(period.get("start")), when(period.get("end"))
    stated, number = resource.get("status"), version(resource)
    kind = KINDS.get((resource.get("class") or {}).get("code", ""))
    common = {
        "patient_id": reference(resource.get("subject")),
        "time": start.last if start else None,
        "event_id": f"Encounter/{resource['id']}",
        "kind": kind,
        "department": words(resource.get("serviceType")) or (resource.get("serviceProvider") or {}).get("display"),
    }
    final = STATUS.get(str(stated))
    before: list[tuple[str, int | None]] = []
    for past in resource.get("statusHistory") or ():
        state, since = STATUS.get(past.get("status")), when((past.get("period") or {}).get("start"))
        if state and since and state != final and (not before or before[-1][0] != state):
            before.append((state, since.last))
    if kind == "inpatient" and start and end and end.last > start.last and final == "finished" and not before:
        before.append(("in_progress", start.last))
    if number == 1:
        for step, (state, since_at) in enumerate(before, 1):
            yield Draft("encounters", {**common, "status": state, "known_at": since_at, "version": step}, *at[1:])
    over = end or start
    values = {
        **common,
        "end": end.last if end else None,
        "status": final,
        "known_at": known(over, soon(over, updated(resource))) if over else None,
        "version": number + len(before),
        "void": stated == "entered-in-error",
    }
    if values["known_at"] is None and end:
        values["known_at"] = end.last
    yield Draft("encounters", values, *at[1:])


def appointment(resource: Json, at: Record) -> Iterator[Draft]:
    """Draft a booking: planned from its creation, then missed or cancelled; a kept one is its Encounter."""
    state = _BOOKINGS.get(str(resource.get("status")))
    start, made = when(resource.get("start")), when(resource.get("created"))
    void = resource.get("status") == "entered-in-error"
    if not state and not void:
        return
    actors = (reference(each.get("actor")) for each in resource.get("participant") or () if _is_patient(each))
    number = version(resource)
    common = {
        "patient_id": next(actors, None),
        "time": start.last if start else None,
        "event_id": f"Appointment/{resource['id']}",
        "kind": "outpatient",
        "department": words((resource.get("specialty") or (None,))[0]),
    }
    if made and number == 1 and state not in (None, "planned"):
        yield Draft("encounters", {**common, "status": "planned", "known_at": made.last, "version": 1}, *at[1:])
        number = 2
    changed = updated(resource)
    since = made if state == "planned" and made else changed
    values = {**common, "status": state, "known_at": since.last if since else None, "version": number, "void": void}
    yield Draft("encounters", values, *at[1:])


def _is_patient(participant: Json) -> bool:
    return str((participant.get("actor") or {}).get("reference", "")).rpartition("/")[0].endswith("Patient")


def care_plan(resource: Json, at: Record) -> Iterator[Draft]:
    """Draft a plan of follow-up; it is known from its creation, else from its first day."""
    period = resource.get("period") or {}
    start, end, made = when(period.get("start")), when(period.get("end")), when(resource.get("created"))
    begun = start or made
    values = {
        "patient_id": reference(resource.get("subject")),
        "time": begun.last if begun else None,
        "known_at": made.last if made else None,
        "event_id": f"CarePlan/{resource['id']}",
        "version": version(resource),
        "void": resource.get("status") == "entered-in-error",
        "kind": resource.get("title") or words((resource.get("category") or (None,))[-1]),
        "start": start.last if start else None,
        "end": end.last if end else None,
    }
    yield Draft("care_plans", values, *at[1:], encounter=encounter_of(resource))
