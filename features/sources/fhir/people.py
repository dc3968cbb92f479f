"""Patient, Coverage and FamilyMemberHistory: what a person is, known from the first contact on.

A Patient record carries no time of its own. A hospital knows the person from the first contact, an
insurance from the day it begins and a death from when it happened, so each of these is a version
of its own: a vector of 2023 does not see a death of 2025.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from features.codes.region import region_code
from features.identity.person import Person as Identity
from features.sources.draft import Draft, versions
from features.sources.fhir.elements import Json, When, coded, reference, single, updated, version, when, words
from features.sources.fhir.files import Record
from features.sources.fhir.naming import identity

_SEXES = frozenset(("female", "male", "other", "unknown"))
_RELATIONS = {
    "FTH": "father",
    "NFTH": "father",
    "MTH": "mother",
    "NMTH": "mother",
    **dict.fromkeys(("SIB", "NSIB", "BRO", "SIS", "NBRO", "NSIS", "HSIB", "HBRO", "HSIS"), "sibling"),
    **dict.fromkeys(("CHILD", "NCHILD", "SON", "DAU", "DAUC", "SONC"), "child"),
}


class Person(NamedTuple):
    """What a Patient record says, without name, telephone or record number, and of the address the county alone."""

    birth: When | None
    sex: str | None
    region: str | None
    deceased: When | None
    updated: When | None
    number: int
    at: Record


class Relative(NamedTuple):
    """One disease of one relative."""

    patient_id: str | None
    stated: When | None
    values: Json
    at: Record


@dataclass
class People:
    """The persons of an export, gathered while it is read and drafted once first contacts are known."""

    persons: dict[str, Person] = field(default_factory=dict)
    insurance: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    system: str = ""
    """Identity system of the ids; empty where they stay as they are, and nothing else of a person is looked at."""
    identities: dict[str, Identity] = field(default_factory=dict)
    relatives: list[Relative] = field(default_factory=list)

    def patient(self, resource: Json, at: Record) -> None:
        """Keep the highest version of a Patient."""
        where = Record(None, at.file, at.row)
        number = version(resource)
        kept = self.persons.get(resource["id"])
        if kept is not None and kept.number > number:
            return
        if self.system:
            self.identities[str(resource["id"])] = identity(self.system, resource)
        sex = resource.get("gender")
        self.persons[str(resource["id"])] = Person(
            birth=when(resource.get("birthDate")),
            sex=sex if sex in _SEXES else None,
            region=_region(resource),
            deceased=when(resource.get("deceasedDateTime")),
            updated=updated(resource),
            number=number,
            at=where,
        )

    def coverage(self, resource: Json) -> bool:
        """Keep the insurance and the day it begins; False where it says neither whose nor from when."""
        start = when((resource.get("period") or {}).get("start"))
        patient = reference(resource.get("beneficiary"))
        if start is None or patient is None or resource.get("status") == "entered-in-error":
            return False
        self.insurance.setdefault(patient, []).append((start.last, words(resource.get("type"))))
        return True

    def relative(self, resource: Json, at: Record) -> bool:
        """Keep the diseases of one relative; False where none is stated."""
        where = Record(None, at.file, at.row)
        relation = _RELATIONS.get(str(single(resource.get("relationship"))), "other")
        void = resource.get("status") == "entered-in-error"
        stated = when(resource.get("date")) or updated(resource)
        for place, condition in enumerate(resource.get("condition") or (), 1):
            values = {
                "event_id": f"FamilyMemberHistory/{resource['id']}/{place}",
                "version": version(resource),
                "void": void,
                "relation": relation,
                **coded(condition.get("code")),
            }
            self.relatives.append(Relative(reference(resource.get("patient")), stated, values, where))
        return bool(resource.get("condition"))

    def drafts(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Draft patients and family history.

        Parameters
        ----------
        first_contact
            When the hospital first knew anything of a patient, by patient.
        """
        for patient, person in self.persons.items():
            yield from self._versions(patient, person, self._begun(patient, first_contact))
        for relative in self.relatives:
            seen = relative.stated.last if relative.stated else self._begun(relative.patient_id or "", first_contact)
            values = {**relative.values, "patient_id": relative.patient_id, "time": seen, "known_at": seen}
            yield Draft("family_history", values, relative.at.file, relative.at.row)

    def _begun(self, patient: str, first_contact: Mapping[str, int]) -> int | None:
        """Return the first contact, else the record's last update, else the birth date."""
        if patient in first_contact:
            return first_contact[patient]
        person = self.persons.get(patient)
        stated = (person.updated or person.birth) if person else None
        return stated.last if stated else None

    def _versions(self, patient: str, person: Person, begun: int | None) -> Iterator[Draft]:
        state = {
            "patient_id": patient,
            "event_id": f"Patient/{patient}",
            "birth_date": person.birth.last if person.birth else None,
            "sex": person.sex,
            "region_code": person.region,
        }
        covers = [(start, {"insurance": kind}) for start, kind in self.insurance.get(patient, ())]
        died = person.deceased.last if person.deceased else None
        for values in versions(state, begun, covers, died, person.number):
            yield Draft("patients", values, person.at.file, person.at.row)


def _region(resource: Json) -> str | None:
    """Return the GB/T 2260 code of the home county, None of an address abroad or one that names none."""
    addresses = sorted(resource.get("address") or (), key=lambda each: each.get("use") != "home")
    for each in addresses:
        parts = (each.get("state"), each.get("city"), each.get("district"))
        if found := region_code(*parts) or region_code(each.get("text")):
            return found
    return None
