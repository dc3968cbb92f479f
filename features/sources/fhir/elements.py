"""FHIR R4 data types as plain values: times, references, codings.

A function returns None where the element is absent and raises ValueError (a time that cannot be
read), TypeError, KeyError or AttributeError (an element of the wrong shape); the reader turns both
into a quarantined record.
"""

from __future__ import annotations

import calendar
import functools
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from features.instants import DAY, end_of_day, micros
from features.params import general
from features.sources.dates import When
from features.sources.terminology import rank
from features.sources.timing import timing

Json = dict[str, Any]

SYSTEMS = {
    "http://hl7.org/fhir/sid/icd-10": "ICD-10",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD-10-CM",
    "http://hl7.org/fhir/sid/icd-10-cn": "ICD-10-CN",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD-9-CM",
    "http://snomed.info/sct": "SNOMED CT",
    "http://loinc.org": "LOINC",
    "http://www.whocc.no/atc": "ATC",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/ndc": "NDC",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "urn:oid:2.16.840.1.113883.6.90": "ICD-10-CM",
    "urn:oid:2.16.840.1.113883.6.103": "ICD-9-CM",
    "urn:oid:2.16.840.1.113883.6.96": "SNOMED CT",
    "urn:oid:2.16.840.1.113883.6.1": "LOINC",
    "urn:oid:2.16.840.1.113883.6.88": "RxNorm",
    "urn:oid:2.16.840.1.113883.6.73": "ATC",
    "urn:oid:2.16.840.1.113883.6.69": "NDC",
    "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-medication-ndc": "NDC",
    "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd9": "ICD-9-CM",
    "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-diagnosis-icd10": "ICD-10-CM",
}
"""System URI to the name used in a lake; a URI that is not here stays as it is."""

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


@functools.cache
def _zone() -> ZoneInfo:
    return general().zone


@functools.lru_cache(maxsize=8192)
def _when(text: str) -> When:
    zone = _zone()
    if bare := _DATE.fullmatch(text):
        year, month, day = (int(part) if part else None for part in bare.groups())
        assert year is not None
        start = date(year, month or 1, day or 1)
        last = date(year, month or 12, day or calendar.monthrange(year, month or 12)[1])
        return When(end_of_day(start, zone) + 1 - DAY, end_of_day(last, zone))
    read = datetime.fromisoformat(text)
    instant = micros(read if read.tzinfo else read.replace(tzinfo=zone))
    return When(instant, instant)


def when(text: str | None) -> When | None:
    """Read a FHIR date, dateTime or instant; without an offset it is in ``params.timezone``."""
    if text is None:
        return None
    try:
        return _when(text)
    except OverflowError:
        raise ValueError("the year is out of range") from None


def reference(element: Json | None) -> str | None:
    """Return the logical id of ``Type/id``, ``urn:uuid:id`` or a URL that ends in ``Type/id``."""
    text = (element or {}).get("reference")
    if not text:
        return None
    return str(text).split("/_history/")[0].rsplit("/", 1)[-1].removeprefix("urn:uuid:") or None


def known(happened: When, *stated: When | None) -> int | None:
    """Return the first stated instant that is not before what happened, else None."""
    for instant in stated:
        if instant is not None and instant.last >= happened.first:
            return instant.last
    return None


def soon(happened: When | None, stamp: When | None) -> When | None:
    """Return a last-updated stamp unless it is so late that it tells of an edit or an export."""
    if happened and stamp and stamp.last - happened.last > timing().latest_update_days * DAY:
        return None
    return stamp


def coded(concept: Json | None) -> Json:
    """Return code_system, code and display of a CodeableConcept.

    Of several codings the one in the system that codelists know best is taken; without a coding
    the text stands as a code without a system, so that it is counted and can be mapped.
    """
    concept = concept or {}
    codings: Sequence[Json] = concept.get("coding") or ()
    text = concept.get("text")
    best: tuple[int, Json, str | None] | None = None
    for entry in codings:
        if not entry.get("code"):
            continue
        uri = entry.get("system")
        name = SYSTEMS.get(uri, uri) if uri else None
        place = rank(name)
        if best is None or place < best[0]:
            best = place, entry, name
    if best is None:
        return {"code_system": None, "code": text, "display": text}
    _, entry, name = best
    return {"code_system": name, "code": str(entry["code"]), "display": entry.get("display") or text}


def medicine(resource: Json) -> Json:
    """Return code_system, code and display of a Medication; some servers give its name as an identifier."""
    found = coded(resource.get("code"))
    if found["display"] is None:
        names = (each for each in resource.get("identifier") or () if str(each.get("system")).endswith("-name"))
        found["display"] = next((each.get("value") for each in names), None)
    return found


def encounter_of(resource: Json) -> str | None:
    """Return the event_id of the encounter that a resource belongs to."""
    name = reference(resource.get("encounter"))
    return f"Encounter/{name}" if name else None


def words(concept: Json | None) -> str | None:
    """Return a CodeableConcept as text: its text, else the display or code of its first coding."""
    if not concept:
        return None
    first: Json = (concept.get("coding") or ({},))[0]
    return concept.get("text") or first.get("display") or first.get("code")


def single(concept: Json | None) -> str | None:
    """Return the code of the first coding."""
    codings: Sequence[Json] = (concept or {}).get("coding") or ({},)
    return codings[0].get("code")


def version(resource: Json) -> int:
    """Return meta.versionId where it is a number, else 1."""
    text = (resource.get("meta") or {}).get("versionId")
    return int(text) if text and str(text).isdecimal() else 1


def updated(resource: Json) -> When | None:
    """Return meta.lastUpdated."""
    return when((resource.get("meta") or {}).get("lastUpdated"))
