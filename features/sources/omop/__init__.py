"""OMOP CDM 5.3 and 5.4: a folder of CSV or Parquet tables, with or without the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from features.instants import DAY
from features.progress import track
from features.sources.dates import dated, written, zone_named
from features.sources.draft import Draft, Period, Refusal, Tally
from features.sources.omop.files import Cdm, identity, named
from features.sources.omop.people import People
from features.sources.omop.vocabulary import Vocabulary
from features.sources.terminology import SMOKING

_VISITS = {
    **dict.fromkeys(("9201", "262", "8717", "581385", "8883", "32037", "581379", "42898160"), "inpatient"),
    **dict.fromkeys(("9203", "8870", "581381", "581478"), "emergency"),
    **dict.fromkeys(("9202", "8756", "8940", "38004207", "38004208", "581477", "32036", "32693"), "outpatient"),
    **dict.fromkeys(("5083", "722455", "32827"), "online"),
    **dict.fromkeys(("581476", "38004519"), "home"),
    **dict.fromkeys(("581458", "38004338"), "pharmacy"),
}
"""Standard visit concept to the kind of visit; any other is unknown."""

_UNITS = {
    "8554": "%",
    "8840": "mg/dL",
    "8753": "mmol/L",
    "8749": "umol/L",
    "8876": "mm[Hg]",
    "8541": "/min",
    "8582": "cm",
    "9330": "[in_i]",
    "9529": "kg",
    "8739": "[lb_av]",
    "9531": "kg/m2",
    "8713": "g/dL",
    "8636": "g/L",
    "8751": "mg/L",
    "8645": "U/L",
    "8848": "10*3/uL",
    "9444": "10*9/L",
    "8647": "/uL",
    "9557": "meq/L",
    "586323": "Cel",
    "8653": "Cel",
    "9289": "[degF]",
}
"""Standard unit concepts in UCUM spelling, for a CDM that comes without CONCEPT."""

_WATCHED = {
    "visit_occurrence": "encounters",
    "condition_occurrence": "diagnoses",
    "measurement": "observations",
    "observation": "observations",
    "drug_exposure": "prescriptions",
}
_LONGEST_ANSWER = 64


class Omop:
    """A CDM as canonical rows, streamed; persons, visits' ends and the concepts that occur are held in memory.

    Parameters
    ----------
    folder
        Where the tables are.
    tally
        Gathers what was read, what was not, and what was refused.
    zone
        Time zone of the tables' times, which carry none; None for the one in params.yaml.
    """

    name: ClassVar[str] = "omop"

    def __init__(self, folder: Path, tally: Tally, zone: str | None = None) -> None:
        self.tally, self.zone = tally, zone_named(zone)
        self.cdm = Cdm(folder)
        self.people = People(self.cdm, self.zone, tally)
        self.vocabulary = Vocabulary(self.cdm)
        for name, paths in self.cdm.others.items():
            self.tally.unread[f"{name} (table)"] += len(paths)

    @property
    def births(self) -> dict[str, int | None]:
        """The end of the first day that may be the birth date of every person."""
        return {name: each.birth.first + DAY - 1 if each.birth else None for name, each in self.people.persons.items()}

    @property
    def tables(self) -> tuple[str, ...]:
        """Event tables of which the CDM holds rows."""
        return tuple(dict.fromkeys(table for name, table in _WATCHED.items() if self.tally.read[name]))

    def events(self) -> Iterator[Draft]:
        """Yield the rows of every event, the visits first."""
        readers: tuple[Callable[[], Iterator[Draft]], ...] = (
            self._visits,
            self._conditions,
            lambda: self._facts("measurement", ("measurement_date", "measurement_datetime")),
            lambda: self._facts("observation", ("observation_date", "observation_datetime")),
            self._drugs,
        )
        for reader in readers:
            yield from reader()
        for where in sorted(set(self.cdm.strange)):
            self.tally.unread[f"{where} (none of its columns)"] += 1

    def persons(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Yield patients, known from the first contact on."""
        yield from self.people.drafts(first_contact)

    def periods(self) -> Iterator[Period] | None:
        """Yield what observation_period says was watched; None where the CDM lacks that table."""
        return self.people.periods() if "observation_period" in self.cdm else None

    def _rows(
        self, table: str, columns: tuple[str, ...], required: int, make: Callable[..., Iterator[Draft]]
    ) -> Iterator[Draft]:
        rows = self.cdm.rows(table, columns, required)
        for file, row, values in track(rows, f"reading {table}", total=self.cdm.size(table)):
            try:
                drafts = list(make(file, row, *values))
            except (TypeError, ArithmeticError, KeyError):
                self.tally.refused.append(Refusal(_WATCHED[table], "malformed_resource", file, row))
                continue
            except ValueError:
                self.tally.refused.append(Refusal(_WATCHED[table], "unreadable_time", file, row))
                continue
            self.tally.read[table] += 1
            yield from drafts

    def _visits(self) -> Iterator[Draft]:
        sites = {
            named(key): name for _, _, (key, name) in self.cdm.rows("care_site", ("care_site_id", "care_site_name"))
        }

        fees = self._fees()

        def visit(file: str, row: int, *values: Any) -> Iterator[Draft]:
            key, person, day, end_day, at, end_at, concept, site = values
            start, end = dated(day, at, self.zone), dated(end_day, end_at, self.zone)
            if start and end_at and start.first == start.last:
                end = written(end_at, self.zone)
            kind = _VISITS.get(identity(concept) or "")
            if start and end and start.first <= end.last < start.last:
                start = end
            common = {
                "patient_id": named(person),
                "time": start.last if start else None,
                "event_id": f"visit_occurrence/{named(key)}",
                "kind": kind,
                "department": sites.get(named(site)),
            }
            first = 1
            if kind == "inpatient" and start and end and end.last > start.last:
                begun = {**common, "status": "in_progress", "known_at": start.last, "version": 1}
                yield Draft("encounters", begun, file, row)
                first = 2
            over = end or start
            closed: dict[str, Any] = {"end": end.last if end else None, "status": "finished" if end else "in_progress"}
            closed["fee"] = fees.get(named(key))
            seen = {"known_at": over.last if over else None, "version": first}
            yield Draft("encounters", {**common, **closed, **seen}, file, row)

        columns = ("visit_occurrence_id", "person_id", "visit_start_date", "visit_end_date", "visit_start_datetime")
        more = ("visit_end_datetime", "visit_concept_id", "care_site_id")
        yield from self._rows("visit_occurrence", columns + more, 2, visit)

    def _fees(self) -> dict[str | None, float]:
        """Return what each visit was charged: total_charge, else total_paid, of its rows in COST, summed."""
        fees: dict[str | None, float] = {}
        columns = ("cost_event_id", "cost_domain_id", "total_charge", "total_paid")
        for _, _, (visit, domain, charged, paid) in self.cdm.rows("cost", columns):
            amount = paid if charged is None else charged
            if amount is not None and str(domain).lower() in ("visit", "visit_occurrence"):
                fees[named(visit)] = fees.get(named(visit), 0.0) + float(amount)
        return fees

    def _conditions(self) -> Iterator[Draft]:
        def condition(file: str, row: int, *values: Any) -> Iterator[Draft]:
            key, person, day, at, concept, source, stated, visit = values
            happened = dated(day, at, self.zone)
            fact: dict[str, Any] = {
                "patient_id": named(person),
                "event_id": _event("condition_occurrence", key, person, concept),
            }
            fact |= self._coded("condition_occurrence", concept, source, stated)
            fact["time"] = happened.last if happened else None
            yield Draft("diagnoses", fact, file, row, encounter=_visit(visit))

        columns = ("condition_occurrence_id", "person_id", "condition_start_date", "condition_start_datetime")
        more = ("condition_concept_id", "condition_source_concept_id", "condition_source_value", "visit_occurrence_id")
        yield from self._rows("condition_occurrence", columns + more, 2, condition)

    def _facts(self, table: str, dates: tuple[str, str]) -> Iterator[Draft]:
        def fact(file: str, row: int, *values: Any) -> Iterator[Draft]:
            key, person, day, at, concept, source, stated, visit, number, answer, unit, unit_text, text, string = values
            happened = dated(day, at, self.zone)
            made: dict[str, Any] = {"patient_id": named(person), "event_id": _event(table, key, person, concept)}
            made |= self._coded(table, concept, source, stated)
            made["time"] = happened.last if happened else None
            value = None if number is None else float(number)
            made["value"] = value
            made["unit"] = unit_text or self.vocabulary.code(identity(unit)) or _UNITS.get(identity(unit) or "")
            made["text"] = self._answer(made["code"], identity(answer), string or text) if value is None else None
            made["origin"] = "laboratory" if table == "measurement" else "patient"
            yield Draft("observations", made, file, row, encounter=_visit(visit))

        columns = (f"{table}_id", "person_id", *dates, f"{table}_concept_id", f"{table}_source_concept_id")
        more = (f"{table}_source_value", "visit_occurrence_id", "value_as_number", "value_as_concept_id")
        last = ("unit_concept_id", "unit_source_value", "value_source_value", "value_as_string")
        yield from self._rows(table, columns + more + last, 2, fact)

    def _drugs(self) -> Iterator[Draft]:
        def drug(file: str, row: int, *values: Any) -> Iterator[Draft]:
            key, person, day, at, concept, source, stated, visit, days, quantity = values
            begun = dated(day, at, self.zone)
            made: dict[str, Any] = {
                "patient_id": named(person),
                "event_id": _event("drug_exposure", key, person, concept),
            }
            made |= self._coded("drug_exposure", concept, source, stated)
            made["time"] = made["known_at"] = begun.last if begun else None
            made["days_supply"] = float(days) if days else None
            made["quantity"] = float(quantity) if quantity else None
            yield Draft("prescriptions", made, file, row, encounter=_visit(visit))

        columns = ("drug_exposure_id", "person_id", "drug_exposure_start_date", "drug_exposure_start_datetime")
        more = ("drug_concept_id", "drug_source_concept_id", "drug_source_value", "visit_occurrence_id")
        yield from self._rows("drug_exposure", (*columns, *more, "days_supply", "quantity"), 2, drug)

    def _coded(self, table: str, concept: Any, source: Any, stated: Any) -> dict[str, Any]:
        value = None if stated is None else str(stated)
        system, code, display = self.vocabulary.coded(table, identity(concept), identity(source), value)
        return {"code_system": system, "code": code, "display": display}

    def _answer(self, code: str | None, concept: str | None, text: Any) -> str | None:
        """Return the answer of a fact that is no number: the concept's name, else the text, if it is short."""
        answer = self.vocabulary.code(concept) if concept else None
        if code == "72166-2" and answer in SMOKING:
            return SMOKING[answer]
        told = self.vocabulary.name(concept) or (None if text is None else str(text))
        return told if told and len(told) <= _LONGEST_ANSWER else None


def _event(table: str, key: Any, person: Any, concept: Any) -> str:
    """Return the name of a row: its key alone is not always unique, vaccines and medicines are numbered apart."""
    return f"{table}/{named(key)}/{named(person)}/{named(concept)}"


def _visit(key: Any) -> str | None:
    name = identity(key)
    return f"visit_occurrence/{name}" if name else None
