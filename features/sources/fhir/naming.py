"""Who a Patient record says that it is about: read for the identity map alone, and never written to a lake."""

from __future__ import annotations

from features.identity.person import Person, number_of
from features.sources.fhir.elements import Json

_NUMBERS = frozenset(("NNCHN", "NI", "PPN"))
"""Types of identifiers (HL7 table 0203) that are a person's own: resident's number, national id, passport."""
_RESIDENT = 18


def identity(system: str, resource: Json) -> Person:
    """Return name, identity number and mobile phone of a Patient.

    Parameters
    ----------
    system
        Identity system of the resource's logical id.
    resource
        The Patient.
    """
    return Person.of(system, str(resource["id"]), _name(resource), _number(resource), _phone(resource))


def _name(resource: Json) -> str:
    """Return the official name, else the first; written as Chinese names are: family, then given."""
    names = sorted(resource.get("name") or (), key=lambda each: each.get("use") not in ("official", None))
    for each in names:
        parts = [each.get("family"), *(each.get("given") or ())]
        if said := each.get("text") or "".join(part for part in parts if part):
            return str(said)
    return ""


def _number(resource: Json) -> str:
    """Return the identifier that is typed as the person's own, else one that is a resident's number by its form."""
    held = [(_kinds(each), str(each["value"])) for each in resource.get("identifier") or () if each.get("value")]
    typed = [value for kinds, value in held if kinds & _NUMBERS]
    shaped = [value for _, value in held if len(value.strip()) == _RESIDENT and number_of(value)]
    return next(iter((*typed, *shaped)), "")


def _kinds(identifier: Json) -> set[str]:
    return {str(each.get("code")) for each in (identifier.get("type") or {}).get("coding") or ()}


def _phone(resource: Json) -> str:
    phones = [each for each in resource.get("telecom") or () if each.get("system") in ("phone", "sms")]
    phones.sort(key=lambda each: each.get("use") != "mobile")
    return next((str(each["value"]) for each in phones if each.get("value")), "")
