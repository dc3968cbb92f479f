"""FHIR R4: Bulk Data NDJSON and Bundles, plain or gzipped, whatever the files are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from features.identity.person import Person
from features.progress import track
from features.sources.draft import Draft, Refusal, Tally
from features.sources.fhir import clinical, visits
from features.sources.fhir.elements import Json, coded, medicine, reference, single
from features.sources.fhir.files import Record, first_kind, paths, records
from features.sources.fhir.people import People

_TABLES: dict[str, tuple[str, Callable[[Json, Record], Iterator[Draft]]]] = {
    "Encounter": ("encounters", visits.encounter),
    "Appointment": ("encounters", visits.appointment),
    "CarePlan": ("care_plans", visits.care_plan),
    "Condition": ("diagnoses", clinical.condition),
    "Observation": ("observations", clinical.observation),
}


_MEDICINES: dict[str, Callable[[Json, Record, Mapping[str, Json]], Iterator[Draft]]] = {
    "MedicationRequest": clinical.prescription,
    "MedicationDispense": clinical.dispense,
}


class Fhir:
    """A folder of FHIR resources as canonical rows, streamed; the persons alone are held in memory.

    Of an address the county's code alone is kept; patient_id is the resource's logical id. Names,
    telephone numbers and identity numbers are read for the identity map alone, and only where a system is named.

    Parameters
    ----------
    folder
        Where the files are, at any depth; or one file.
    tally
        Gathers what was read, what was not, and what was refused.
    system
        Identity system of the logical ids, so that surrogates stand for them; empty to keep them.
    """

    name: ClassVar[str] = "fhir"
    watched: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "encounters": ("Encounter", "Appointment"),
        "diagnoses": ("Condition",),
        "observations": ("Observation",),
        "prescriptions": ("MedicationRequest", "MedicationDispense"),
        "family_history": ("FamilyMemberHistory",),
        "care_plans": ("CarePlan",),
    }

    def __init__(self, folder: Path, tally: Tally, system: str = "") -> None:
        self.folder, self.tally, self.system, self.people = folder, tally, system, People(system=system)
        found = paths(folder)
        self.paths = sorted(found, key=lambda path: first_kind(path) != "Medication")
        self.medicines: dict[str, Json] = {}

    @property
    def births(self) -> dict[str, int | None]:
        """Birth date (the end of its day) of every patient met, once the events have been read."""
        return {name: each.birth.last if each.birth else None for name, each in self.people.persons.items()}

    @property
    def tables(self) -> tuple[str, ...]:
        """Event tables that the files watched: those with at least one record of their kind."""
        seen = self.tally.read.keys() | {name.split(" (")[0] for name in self.tally.unread}
        return tuple(table for table, kinds in self.watched.items() if seen & set(kinds))

    def events(self) -> Iterator[Draft]:
        """Yield the rows of every event; persons are gathered on the way."""
        for path in track(self.paths, "reading FHIR", total=len(self.paths)):
            name = str(path.relative_to(self.folder)) if self.folder.is_dir() else path.name
            for record in records(path, name):
                yield from self._drafts(record)

    def persons(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Yield patients and family history, known from the first contact on."""
        yield from self.people.drafts(first_contact)

    def identities(self) -> Iterator[Person]:
        """Yield what is said of every person, once the events have been read."""
        yield from self.people.identities.values()

    def _drafts(self, record: Record) -> Iterator[Draft]:
        resource = record.resource
        if resource is None:
            self.tally.refused.append(Refusal("", "unreadable_json", record.file, record.row))
            return
        kind = resource["resourceType"]
        try:
            why = _unread(resource)
            if why:
                self.tally.unread[f"{kind} ({why})"] += 1
                return
            if kind in _MEDICINES:
                drafts = list(_MEDICINES[kind](resource, record, self.medicines))
            else:
                drafts = list(_TABLES[kind][1](resource, record)) if kind in _TABLES else []
            read = bool(drafts) or self._person(kind, resource, record)
        except (AttributeError, KeyError, IndexError, TypeError):
            self.tally.refused.append(Refusal(_table(kind), "malformed_resource", record.file, record.row))
            return
        except ValueError:
            self.tally.refused.append(Refusal(_table(kind), "unreadable_time", record.file, record.row))
            return
        if read:
            self.tally.read[kind] += 1
        else:
            self.tally.unread[_NOTHING.get(kind, kind)] += 1
        yield from drafts

    def _medicine(self, resource: Json) -> Json:
        """Return the code of a Medication; of a mixture without one that of its first ingredient, if it was read."""
        found = medicine(resource)
        first: Json = (resource.get("ingredient") or ({},))[0]
        if found["code"] is None and first:
            concept = first.get("itemCodeableConcept")
            return coded(concept) if concept else self.medicines.get(reference(first.get("itemReference")) or "", found)
        return found

    def _person(self, kind: str, resource: Json, record: Record) -> bool:
        if kind == "Patient":
            self.people.patient(resource, record)
            return True
        if kind == "Coverage":
            return self.people.coverage(resource)
        if kind == "FamilyMemberHistory":
            return self.people.relative(resource, record)
        if kind == "Medication":
            self.medicines[str(resource["id"])] = self._medicine(resource)
            return True
        return False


def _unread(resource: Json) -> str | None:
    """Why a resource states no fact of its own: a proposal, a possibility, an unstarted measurement, a repetition."""
    kind, status = resource["resourceType"], resource.get("status")
    if kind == "Observation" and status in ("cancelled", "registered"):
        return str(status)
    if kind == "MedicationRequest" and (status == "draft" or resource.get("intent") in ("proposal", "plan", "option")):
        return "not an order"
    if kind == "MedicationDispense":
        if status in ("preparation", "in-progress", "on-hold"):
            return "not handed over"
        ordered = bool(resource.get("authorizingPrescription"))
        if ordered and not (resource.get("daysSupply") and resource.get("whenHandedOver")):
            return "no supply stated: its MedicationRequest tells"
    if kind == "Condition" and single(resource.get("verificationStatus")) == "differential":
        return "differential"
    return None


_NOTHING = {
    "Observation": "Observation (no value)",
    "FamilyMemberHistory": "FamilyMemberHistory (no disease)",
    "Coverage": "Coverage (void or undated)",
    "Appointment": "Appointment (kept: its Encounter tells)",
}
_HOME = {
    "Patient": "patients",
    "Coverage": "patients",
    "FamilyMemberHistory": "family_history",
    "MedicationRequest": "prescriptions",
    "MedicationDispense": "prescriptions",
}


def _table(kind: str) -> str:
    return _TABLES[kind][0] if kind in _TABLES else _HOME.get(kind, "")
