"""MEDS, the Medical Event Data Standard: data/**/*.parquet with subject, time, code and value."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from features.codes import usual_unit
from features.coding import codelist_of
from features.errors import InputError
from features.progress import track
from features.sources.dates import dated, zone_named
from features.sources.draft import Draft, Refusal, Tally, versions
from features.sources.omop.files import named
from features.sources.sheet import Sheet
from features.sources.terminology import SMOKING, known, rank, system, tidy

_SUBJECT = ("subject_id", "patient_id")
_NUMBER = ("numeric_value", "value")
_TEXT = ("text_value", "string_value")
_UNIT = ("unit", "units", "valueuom", "uom")
_VISIT = ("hadm_id", "visit_id", "encounter_id", "visit_occurrence_id", "csn")
_TABLES = {"ICD": "diagnoses", "RxN": "prescriptions", "NDC": "prescriptions", "ATC": "prescriptions"}
_TABLES |= {"CVX": "prescriptions", "LOI": "observations"}
_SEXES = {"M": "male", "MALE": "male", "8507": "male", "F": "female", "FEMALE": "female", "8532": "female"}
_KINDS = {
    "IP": "inpatient",
    "INPATIENT": "inpatient",
    "ERIP": "inpatient",
    "ER": "emergency",
    "ED": "emergency",
    "EMERGENCY": "emergency",
    "OP": "outpatient",
    "OUTPATIENT": "outpatient",
    "AMB": "outpatient",
}
_BEGUN = re.compile(
    r"(HOSPITAL_ADMISSION|ADMISSION|ED_REGISTRATION|VISIT_START|ENCOUNTER_START|VISIT|ENCOUNTER)(//?(.*))?"
)
_ENDED = re.compile(r"(HOSPITAL_DISCHARGE|DISCHARGE|ED_OUT|VISIT_END|ENCOUNTER_END)(//?.*)?")
_ENDS = {"ED_OUT": "emergency"}
_MEDICINE = ("MEDICATION", "DRUG", "PRESCRIPTION")
_LONGEST_ANSWER = 64


class Event(NamedTuple):
    """One row of MEDS."""

    row: int
    subject: str | None
    time: Any
    code: str | None
    number: Any
    text: Any
    unit: Any
    visit: Any


class Coded(NamedTuple):
    """What a MEDS code says: canonical table, code system, code and name."""

    table: str
    system: str | None
    code: str
    display: str | None
    unit: str | None


class Meds:
    """A MEDS dataset as canonical rows: one patient's rows at a time, the persons held in memory.

    Parameters
    ----------
    folder
        Holds ``data/`` with Parquet files at any depth, and perhaps ``metadata/codes.parquet``.
    tally
        Gathers what was read and what was refused.
    zone
        Time zone of the times, which carry none; None for the one in params.yaml.

    Raises
    ------
    InputError
        There is no Parquet file, or one lacks a column.
    """

    name: ClassVar[str] = "meds"
    tables: tuple[str, ...] = ()

    def __init__(self, folder: Path, tally: Tally, zone: str | None = None) -> None:
        self.tally, self.zone = tally, zone_named(zone)
        data = folder / "data" if (folder / "data").is_dir() else folder
        if not data.is_dir():
            raise InputError("there is no such folder", where=str(folder))
        paths = sorted(path for path in data.rglob("*.parquet") if "metadata" not in path.relative_to(folder).parts)
        if not paths:
            raise InputError("no Parquet file", where=str(data), remedy="MEDS keeps its events in data/**/*.parquet")
        self.sheets = [Sheet(path, str(path.relative_to(folder))) for path in paths]
        self.columns = [_columns(sheet) for sheet in self.sheets]
        self.parents, self.names = _metadata(folder / "metadata" / "codes.parquet")
        self.persons_met: dict[str, _Person] = {}

    @property
    def births(self) -> dict[str, int | None]:
        """Birth date of every subject, the end of its day."""
        return {name: each.birth for name, each in self.persons_met.items()}

    def events(self) -> Iterator[Draft]:
        """Yield the rows of every event; births, sexes and deaths are gathered on the way."""
        seen: set[str] = set()
        for sheet, columns in zip(track(self.sheets, "reading MEDS", total=len(self.sheets)), self.columns):
            rows = (Event(row, named(cells[0]), *cells[1:]) for row, cells in sheet.rows(columns))
            for subject, events in groupby(rows, key=lambda each: each.subject):
                for draft in self._subject(subject, list(events), sheet.where):
                    seen.add(draft.table)
                    yield draft
        self.tables = tuple(sorted(seen))

    def persons(self, first_contact: Mapping[str, int]) -> Iterator[Draft]:
        """Yield patients, known from the first contact on; a death is a version of its own."""
        for name, person in self.persons_met.items():
            state = {"patient_id": name, "event_id": f"patient/{name}", "birth_date": person.birth, "sex": person.sex}
            for values in versions(state, first_contact.get(name, person.birth), (), person.died):
                yield Draft("patients", values, person.file, person.row)

    def _subject(self, subject: str | None, events: list[Event], file: str) -> Iterator[Draft]:
        ends = self._ends(events)
        person = self.persons_met.setdefault(subject, _Person(file, events[0].row)) if subject else None
        for event in events:
            try:
                drafts = list(self._drafts(event, person, ends, file))
            except (ValueError, TypeError):
                self.tally.refused.append(Refusal("", "malformed_resource", file, event.row))
                continue
            self.tally.read["event"] += 1
            yield from drafts

    def _drafts(
        self, event: Event, person: _Person | None, ends: dict[int, tuple[int, str | None]], file: str
    ) -> Iterator[Draft]:
        stamp = dated(None, event.time, self.zone)
        time = stamp.last if stamp else None
        code = event.code or ""
        if person and self._personal(code, time, person):
            return
        values: dict[str, Any] = {"patient_id": event.subject, "time": time}
        values["event_id"] = f"{event.subject}/{time}/{code}/{event.number}/{event.text}"
        visit = None if event.visit is None else f"visit/{event.subject}/{named(event.visit)}"
        if found := _BEGUN.fullmatch(code):
            yield from self._visit(event, found, values, ends.get(event.row), file)
            return
        if _ENDED.fullmatch(code):
            return
        told = self._coded(code)
        if told.system == "SNOMED CT" and event.number is not None:
            told = told._replace(table="observations")
        values |= {"code_system": told.system, "code": told.code, "display": told.display}
        if told.table == "observations":
            number = None if event.number is None else float(event.number)
            text = None if event.text is None else str(event.text)
            if told.code == "72166-2" and text in SMOKING:
                text = SMOKING[text]
            values |= {"value": number, "unit": event.unit or told.unit or usual_unit(told.system, told.code)}
            values["text"] = text if text and len(text) <= _LONGEST_ANSWER else None
        yield Draft(told.table, values, file, event.row, visit)

    def _personal(self, code: str, time: int | None, person: _Person) -> bool:
        """Take what a code says of the person; False where it says nothing of that kind."""
        head, _, tail = code.replace("//", "/").partition("/")
        if head in ("MEDS_BIRTH", "BIRTH"):
            person.birth = time
        elif head in ("MEDS_DEATH", "DEATH"):
            person.died = time
        elif head.upper() in ("GENDER", "SEX"):
            person.sex = _SEXES.get(tail.upper(), "unknown")
        else:
            return False
        return True

    def _visit(
        self, event: Event, found: re.Match[str], values: dict[str, Any], end: tuple[int, str | None] | None, file: str
    ) -> Iterator[Draft]:
        word = (found[3] or "").split("//")[0].split("/")[0].upper()
        emergency = found[1] == "ED_REGISTRATION"
        kind = "emergency" if emergency else _KINDS.get(word, "inpatient" if "ADMISSION" in found[1] else None)
        name = f"visit/{event.subject}/{named(event.visit) or event.row}"
        values |= {"event_id": f"{name}/ed" if emergency else name, "kind": kind}
        over = end[0] if end else None
        first = 1
        if over is not None and kind == "inpatient" and over > (values["time"] or over):
            begun = {**values, "status": "in_progress", "known_at": values["time"], "version": 1}
            yield Draft("encounters", begun, file, event.row)
            first = 2
        closed = {"end": over, "status": "in_progress" if over is None and kind == "inpatient" else "finished"}
        seen = over if over is not None else values["time"]
        yield Draft("encounters", {**values, **closed, "known_at": seen, "version": first}, file, event.row)

    def _ends(self, events: list[Event]) -> dict[int, tuple[int, str | None]]:
        """Return when each visit of one patient ended: at the discharge of its visit id, else at the next one."""
        ends: dict[int, tuple[int, str | None]] = {}
        waiting: list[tuple[Event, bool]] = []
        for event in events:
            code = event.code or ""
            if found := _BEGUN.fullmatch(code):
                waiting.append((event, found[1] == "ED_REGISTRATION"))
            elif found := _ENDED.fullmatch(code):
                try:
                    stamp = dated(None, event.time, self.zone)
                except ValueError:
                    continue
                emergency = found[1] in _ENDS
                for place, (begun, was) in reversed(list(enumerate(waiting))):
                    if stamp and was == emergency and (event.visit is None or begun.visit == event.visit):
                        ends[begun.row] = (stamp.last, None)
                        del waiting[place]
                        break
        return ends

    @functools.lru_cache(maxsize=200_000)  # noqa: B019  one dataset lives as long as its ingest
    def _coded(self, code: str) -> Coded:
        """Return what a code says: itself, or the first of its parents that codelists know better."""
        every = [_read(each) for each in (code, *self.parents.get(code, ()))]
        display = self.names.get(code)
        best = next((each for each in every if codelist_of(each.system, each.code)), None)
        best = best or min(every, key=lambda each: rank(each.system))
        return best._replace(display=display, unit=every[0].unit)


class _Person:
    """What the events of one subject say of the person."""

    def __init__(self, file: str, row: int) -> None:
        self.file, self.row = file, row
        self.birth: int | None = None
        self.died: int | None = None
        self.sex: str | None = None


def _read(code: str) -> Coded:
    """Read one code: ``ICD10CM//E11.9``, ``SNOMED/44054006``, ``DIAGNOSIS//ICD//9//4019``, ``LAB//50912//mg/dL``."""
    parts = code.split("//") if "//" in code else code.split("/", 1)
    head = parts[0].upper()
    if head in ("DIAGNOSIS", "CONDITION") and len(parts) > 1:
        if parts[1].upper() == "ICD" and len(parts) > 3:
            return Coded("diagnoses", "ICD-9-CM" if parts[2] == "9" else "ICD-10-CM", tidy(parts[3]), None, None)
        parts = parts[1:] if len(parts) > 2 else ["DIAGNOSIS", parts[1]]
        vocabulary = system(parts[0])
        return Coded("diagnoses", vocabulary, tidy(parts[1]), None, None)
    if len(parts) > 1 and known(parts[0]):
        vocabulary = system(parts[0])
        table = _TABLES.get(vocabulary[:3], "diagnoses")
        return Coded(table, vocabulary, tidy("//".join(parts[1:])), None, None)
    if head in _MEDICINE:
        return Coded("prescriptions", parts[0], "//".join(parts[1:]) or code, None, None)
    unit = parts[2] if len(parts) > 2 and head in ("LAB", "VITAL", "MEASUREMENT") else None
    rest = parts[1:2] if unit else parts[1:]
    return Coded("observations", parts[0] if rest else None, "//".join(rest) or code, None, unit)


def _columns(sheet: Sheet) -> tuple[str | None, ...]:
    """Return the columns of one file in the order of Event."""
    held = {name.lower(): name for name in sheet.columns}

    def one(names: tuple[str, ...], needed: bool = False) -> str | None:
        found = next((held[name] for name in names if name in held), None)
        if found is None and needed:
            raise InputError(f"has no column '{names[0]}'", where=sheet.where, given=names[0], known=sheet.columns)
        return found

    needed = (one(_SUBJECT, True), one(("time", "timestamp"), True), one(("code",), True))
    return (*needed, one(_NUMBER), one(_TEXT), one(_UNIT), one(_VISIT))


def _metadata(path: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return parents and names of the codes, where they come along."""
    if not path.is_file():
        return {}, {}
    sheet = Sheet(path, "metadata/codes.parquet")
    held = [name if name in sheet.columns else None for name in ("code", "description", "parent_codes")]
    parents: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for _, (code, name, above) in sheet.rows(held):
        if code is not None and name is not None:
            names[str(code)] = str(name)
        if code is not None and above:
            parents[str(code)] = [str(each) for each in above]
    return parents, names
