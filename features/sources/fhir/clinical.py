"""Condition, Observation and MedicationRequest as canonical rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from features.sources.draft import Draft
from features.sources.fhir.elements import (
    Json,
    When,
    coded,
    encounter_of,
    known,
    medicine,
    reference,
    single,
    soon,
    updated,
    version,
    when,
    words,
)
from features.sources.fhir.files import Record
from features.sources.terminology import SMOKING

_ORIGINS = {
    "laboratory": "laboratory",
    "vital-signs": "clinic",
    "exam": "clinic",
    "survey": "patient",
    "social-history": "patient",
}
_SUPPLY_DAYS = {"s": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25}
_LONGEST_ANSWER = 64


def condition(resource: Json, at: Record) -> Iterator[Draft]:
    """Draft a diagnosis: its time is the stated onset, else when it was recorded."""
    period = resource.get("onsetPeriod") or {}
    onset = when(resource.get("onsetDateTime") or period.get("start"))
    recorded = when(resource.get("recordedDate"))
    happened = onset or recorded
    seen = known(happened, recorded, updated(resource)) if happened else _last(updated(resource))
    values = {
        "patient_id": reference(resource.get("subject")),
        "time": _happened(happened, seen),
        "known_at": seen,
        "event_id": f"Condition/{resource['id']}",
        "version": version(resource),
        "void": single(resource.get("verificationStatus")) in ("entered-in-error", "refuted"),
        **coded(resource.get("code")),
    }
    yield Draft("diagnoses", values, *at[1:], encounter=encounter_of(resource))


def observation(resource: Json, at: Record) -> Iterator[Draft]:
    """Draft a result, and one for each component with a value (systolic and diastolic, say)."""
    period = resource.get("effectivePeriod") or {}
    issued = when(resource.get("issued"))
    happened = when(
        resource.get("effectiveDateTime")
        or resource.get("effectiveInstant")
        or period.get("end")
        or period.get("start")
    )
    happened = happened or issued
    seen = known(happened, issued, soon(happened, updated(resource))) if happened else None
    name = f"Observation/{resource['id']}"
    common = {
        "patient_id": reference(resource.get("subject")),
        "time": _happened(happened, seen),
        "known_at": seen,
        "version": version(resource),
        "void": resource.get("status") == "entered-in-error",
        "origin": _origin(resource),
    }
    parts = resource.get("component")
    belongs = encounter_of(resource)
    if (value := _value(resource)) is not None:
        values = {**common, "event_id": name, **coded(resource.get("code")), **value}
        yield Draft("observations", values, *at[1:], encounter=belongs)
    for part in parts or ():
        if (value := _value(part)) is not None:
            code = coded(part.get("code"))
            values = {**common, "event_id": f"{name}/{code['code']}", **code, **value}
            yield Draft("observations", values, *at[1:], encounter=belongs, panel=name)


def prescription(resource: Json, at: Record, medicines: Mapping[str, Json]) -> Iterator[Draft]:
    """Draft a medicine ordered; a cancelled order is retracted, the supply is in days.

    Parameters
    ----------
    medicines
        Code and name of the Medication resources read so far, by id.
    """
    authored = when(resource.get("authoredOn"))
    request = resource.get("dispenseRequest") or {}
    seen = authored or updated(resource)
    values = {
        "patient_id": reference(resource.get("subject")),
        "time": authored.last if authored else None,
        "known_at": _last(seen),
        "event_id": f"MedicationRequest/{resource['id']}",
        "version": version(resource),
        "void": resource.get("status") in ("entered-in-error", "cancelled"),
        "days_supply": _days(request.get("expectedSupplyDuration")),
        "quantity": _number((request.get("quantity") or {}).get("value")),
        **_medicine(resource, medicines),
    }
    yield Draft("prescriptions", values, *at[1:], encounter=encounter_of(resource))


def dispense(resource: Json, at: Record, medicines: Mapping[str, Json]) -> Iterator[Draft]:
    """Draft a medicine handed over, known from then on; one that was taken back is retracted."""
    handed = when(resource.get("whenHandedOver") or resource.get("whenPrepared"))
    seen = handed or updated(resource)
    values = {
        "patient_id": reference(resource.get("subject")),
        "time": handed.last if handed else None,
        "known_at": _last(seen),
        "event_id": f"MedicationDispense/{resource['id']}",
        "version": version(resource),
        "void": resource.get("status") in ("entered-in-error", "cancelled", "declined", "stopped"),
        "days_supply": _days(resource.get("daysSupply")),
        "quantity": _number((resource.get("quantity") or {}).get("value")),
        **_medicine(resource, medicines),
    }
    visit = reference(resource.get("context"))
    yield Draft("prescriptions", values, *at[1:], encounter=f"Encounter/{visit}" if visit else None)


def _medicine(resource: Json, medicines: Mapping[str, Json]) -> Json:
    if concept := resource.get("medicationCodeableConcept"):
        return coded(concept)
    name = reference(resource.get("medicationReference"))
    for contained in resource.get("contained") or ():
        if f"#{contained.get('id')}" == name:
            return medicine(contained)
    return medicines.get(name or "", {})


def _value(element: Json) -> Json | None:
    """Return value, unit and text of an Observation or a component; None without any."""
    if quantity := element.get("valueQuantity"):
        number = _number(quantity.get("value"))
        unit = quantity.get("code") or quantity.get("unit")
        return None if number is None else {"value": number, "unit": unit, "text": quantity.get("comparator")}
    if (count := element.get("valueInteger")) is not None:
        return {"value": _number(count)}
    if concept := element.get("valueCodeableConcept"):
        answer = SMOKING.get(str(single(concept))) if single(element.get("code")) == "72166-2" else None
        return {"text": answer or words(concept)}
    if (yes := element.get("valueBoolean")) is not None:
        return {"value": float(yes), "text": "yes" if yes else "no"}
    text = element.get("valueString") or element.get("valueDateTime")
    return {"text": text} if text and len(text) <= _LONGEST_ANSWER else None


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number is expected")
    return float(value)


def _days(duration: Json | None) -> float | None:
    if not duration or (value := _number(duration.get("value"))) is None:
        return None
    factor = _SUPPLY_DAYS.get(duration.get("code") or duration.get("unit") or "d")
    return None if factor is None else value * factor


def _origin(resource: Json) -> str | None:
    for category in resource.get("category") or ():
        if found := _ORIGINS.get(str(single(category))):
            return "device" if found != "laboratory" and "device" in resource else found
    return None


def _happened(instant: When | None, seen: int | None) -> int | None:
    """Return the end of what a time may mean, or when it was recorded if that lies within."""
    if instant is None:
        return None
    return min(instant.last, seen) if seen is not None and seen >= instant.first else instant.last


def _last(instant: When | None) -> int | None:
    return instant.last if instant else None
