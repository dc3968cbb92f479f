"""person, death, payer_plan_period and observation_period: who a person is, and when somebody watched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from features.instants import DAY, end_of_day, moment
from features.sources.dates import When, dated, written
from features.sources.draft import Draft, Period, Refusal, Tally, versions
from features.sources.omop.files import Cdm, identity, named

_SEXES = {"8507": "male", "8532": "female", "8521": "other", "8551": "unknown"}
_WORDS = {"m": "male", "male": "male", "f": "female", "female": "female"}


class Person(NamedTuple):
    """What a person row says, and where it stands."""

    birth: When | None
    sex: str | None
    file: str
    row: int


class People:
    """The persons of a CDM, held in memory, drafted once first contacts are known.

    Parameters
    ----------
    cdm
        Its tables.
    zone
        Zone of its times.
    tally
        Gathers rows read and refused.
    """

    def __init__(self, cdm: Cdm, zone: ZoneInfo, tally: Tally) -> None:
        self.cdm, self.zone, self.tally = cdm, zone, tally
        self.persons: dict[str, Person] = {}
        self.deaths: dict[str, int] = {}
        self.insurance: dict[str, list[tuple[int, str]]] = {}
        self._read_persons()
        self._read_deaths()
        self._read_plans()

    def drafts(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Draft patients: known from the first contact, else from the birth date."""
        for name, person in self.persons.items():
            begun = first_contact.get(name, person.birth.last if person.birth else None)
            state = {
                "patient_id": name,
                "event_id": f"person/{name}",
                "birth_date": _believed(person.birth, begun, self.zone),
                "sex": person.sex,
            }
            changes = [(at, {"insurance": kind}) for at, kind in self.insurance.get(name, ())]
            for values in versions(state, begun, changes, self.deaths.get(name)):
                yield Draft("patients", values, person.file, person.row)

    def periods(self) -> Iterator[Period]:
        """Yield one period per row of observation_period: whole days."""
        columns = ("person_id", "observation_period_start_date", "observation_period_end_date")
        for file, row, (person, start, end) in self.cdm.rows("observation_period", columns, required=3):
            try:
                first, last = written(start, self.zone), written(end, self.zone)
            except ValueError:
                self.tally.refused.append(Refusal("observed", "unreadable_time", file, row))
                continue
            self.tally.read["observation_period"] += 1
            yield Period(named(person), first.first if first else None, last.last if last else None, file, row)

    def _read_persons(self) -> None:
        columns = ("person_id", "gender_concept_id", "gender_source_value", "birth_datetime")
        parts = ("year_of_birth", "month_of_birth", "day_of_birth")
        for file, row, values in self.cdm.rows("person", columns + parts, required=1):
            key, concept, word, at, *day = values
            name = named(key)
            if name is None:
                self.tally.refused.append(Refusal("patients", "missing_patient_id", file, row))
                continue
            try:
                birth = _birth(at, day, self.zone)
            except (ValueError, TypeError):
                self.tally.refused.append(Refusal("patients", "unreadable_time", file, row))
                continue
            sex = _SEXES.get(identity(concept) or "") or _WORDS.get(str(word or "").lower())
            self.tally.read["person"] += 1
            self.persons[name] = Person(birth, sex, file, row)

    def _read_deaths(self) -> None:
        for file, row, (person, day, at) in self.cdm.rows("death", ("person_id", "death_date", "death_datetime"), 1):
            name = named(person)
            try:
                died = dated(day, at, self.zone)
            except ValueError:
                self.tally.refused.append(Refusal("patients", "unreadable_time", file, row))
                continue
            if name not in self.persons or died is None:
                reason = "no_time" if name in self.persons else "unknown_patient"
                self.tally.refused.append(Refusal("patients", reason, file, row))
                continue
            self.tally.read["death"] += 1
            self.deaths[name] = died.last

    def _read_plans(self) -> None:
        columns = ("person_id", "payer_plan_period_start_date", "payer_source_value", "plan_source_value")
        for file, row, (person, start, payer, plan) in self.cdm.rows("payer_plan_period", columns, required=2):
            name, kind = named(person), payer or plan
            try:
                since = written(start, self.zone)
            except ValueError:
                self.tally.refused.append(Refusal("patients", "unreadable_time", file, row))
                continue
            if name in self.persons and since and kind:
                self.tally.read["payer_plan_period"] += 1
                self.insurance.setdefault(name or "", []).append((since.last, str(kind)))
            else:
                self.tally.unread["payer_plan_period (of nobody, undated or unnamed)"] += 1


def _birth(at: Any, day: list[Any], zone: ZoneInfo) -> When | None:
    """Return the day of birth, or the month or year where no more is stated."""
    year, month, number = (None if part is None else int(float(part)) for part in day)
    if year is None:
        return dated(None, at, zone)
    if month is None:
        first, last = written(f"{year}-01-01", zone), written(f"{year}-12-31", zone)
        assert first and last
        return When(first.first, last.last)
    return written(f"{year}-{month}" if number is None else f"{year}-{month}-{number}", zone)


def _believed(birth: When | None, begun: int | None, zone: ZoneInfo) -> int | None:
    """Return the end of the birth day by the convention of the CDM (person.birth_datetime).

    Without a day it is the first of the month; without a month the day of the earliest record if
    that lies in the year of birth, else 15 June.
    """
    if birth is None or birth.last - birth.first <= DAY:
        return birth.last if birth else None
    if birth.last - birth.first < 40 * DAY:
        return birth.first + DAY - 1
    if begun is not None and birth.first <= begun <= birth.last:
        return end_of_day(moment(begun).astimezone(zone).date(), zone)
    return end_of_day(date(moment(birth.last).astimezone(zone).year, 6, 15), zone)
