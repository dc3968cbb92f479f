"""Tabular: any CSV, Parquet or Excel export of HIS, EMR or LIS, read by a small YAML mapping."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as ByName
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from features.codes.region import region_code
from features.errors import InputError
from features.identity.person import Person
from features.progress import track
from features.schema import Column, table
from features.sources.dates import When, written, zone_named
from features.sources.draft import Draft, Refusal, Tally
from features.sources.sheet import Sheet
from features.sources.tabular.mapping import NAMING, Cell, Part, files, found, read_mapping
from features.sources.tabular.words import CLOSED, DASHES, NO, NOTHING, WORDS, YES

_NUMBER = re.compile(r"([<>≤≥]=?|[＜＞])?\s*([-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*([↑↓HL]*)?")
_MONEY = "¥￥元 "
_RESULT = ("observations", "value")
_EXACT = ("instant", "float", "int", "bool")
_LISTED = re.compile(r"[,;|，；、]\s*")
_LONGEST_ANSWER = 64
_MICROS = {
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
}
_BOOKED = ("encounters", "care_plans")
_BESIDE = {name: Column(name, "string", "names what the row belongs to") for name in ("encounter", "panel")}

_NAMING = {name: Column(name, "string", "for the identity map alone") for name in NAMING}


class Tabular:
    """The files of one export as canonical rows, streamed; what the patients' file says is held in memory.

    Parameters
    ----------
    folder
        Where the files are.
    tally
        Gathers what was read and what was refused.
    mapping
        The mapping's file; None for the YAML file in the folder.
    system
        Identity system of the ids, over that of the mapping; with none they stay as they are.

    Raises
    ------
    InputError
        A file, sheet or column that the mapping names is not there; persons are named without their system.
    """

    name: ClassVar[str] = "tabular"

    def __init__(self, folder: Path, tally: Tally, mapping: Path | None = None, system: str = "") -> None:
        self.tally = tally
        self.folder = folder.parent if folder.is_file() else folder
        if not self.folder.is_dir():
            raise InputError("there is no such folder", where=str(self.folder))
        chosen = found(self.folder, mapping or folder)
        self.mapping = read_mapping(chosen)
        self.zone = zone_named(self.mapping.zone, f"{chosen.name} zone")
        self.parts = [
            _Opened(part, self._sheet(part, path), chosen.name)
            for place, part in enumerate(self.mapping.tables)
            for path in files(self.folder, part, f"{chosen.name} tables.{place}")
        ]
        self.system = system or self.mapping.system
        named = [each.part for each in self._of("patients") if set(NAMING) & each.part.columns.keys()]
        if named and not self.system:
            raise InputError(
                "names persons, and not whose ids these are", where=chosen.name, remedy="add 'system: his'"
            )
        self._named: dict[str, Person] = {}
        self.people = [draft for part in self._of("patients") for draft in self._drafts(part)]

    @property
    def births(self) -> dict[str, int | None]:
        """Birth date of everybody in the patients' files; empty where there is none."""
        named = {str(each.values["patient_id"]): each.values.get("birth_date") for each in self.people}
        return {name: birth for name, birth in named.items() if name != "None"}

    @property
    def tables(self) -> tuple[str, ...]:
        """Event tables that the mapping names."""
        return tuple(
            dict.fromkeys(each.part.table for each in self.parts if each.part.table not in ("patients", "contents"))
        )

    def events(self) -> Iterator[Draft]:
        """Yield the rows of every table, the visits first."""
        chosen = [*self._of("encounters"), *self._of()]
        for part in track(chosen, "reading tables", total=len(chosen)):
            yield from self._drafts(part)

    def persons(self, first_contact: ByName[str, int]) -> Iterator[Draft]:
        """Yield patients, known from their registration, else from the first contact; then family history."""
        for draft in self.people:
            values = dict(draft.values)
            begun = values.get("registered_at") or first_contact.get(str(values.get("patient_id")))
            values.setdefault("time", begun if begun is not None else values.get("birth_date"))
            yield draft._replace(values=values)
        for part in self._of("family_history"):
            for draft in self._drafts(part):
                begun = first_contact.get(str(draft.values.get("patient_id")))
                yield draft._replace(values={"time": begun, "known_at": begun, **draft.values})

    def identities(self) -> Iterator[Person]:
        """Yield what the patients' files say of every person."""
        yield from self._named.values()

    def contents(self) -> pa.Table:
        """Return the table contents: the rows of its files, the last of an item that comes twice."""
        items: dict[str, dict[str, Any]] = {}
        for part in self._of("contents"):
            for draft in self._drafts(part):
                if name := draft.values.get("content_id"):
                    items[name] = draft.values
                else:
                    self.tally.refused.append(Refusal("contents", "missing_content_id", draft.file, draft.row))
        schema = table("contents").arrow()
        columns = {field.name: [item.get(field.name) for item in items.values()] for field in schema}
        arrays = [
            pa.array(columns[field.name], pa.int64() if pa.types.is_timestamp(field.type) else field.type).cast(
                field.type
            )
            for field in schema
        ]
        return pa.table(arrays, schema=schema)

    def _sheet(self, part: Part, path: Path) -> Sheet:
        return Sheet(path, str(path.relative_to(self.folder)), part.encoding, part.sheet, part.header)

    def _of(self, name: str = "") -> list[_Opened]:
        """Return the parts of one table; without a name those of all that are left."""
        special = ("encounters", "patients", "family_history", "contents")
        return [each for each in self.parts if each.part.table == name or (not name and each.part.table not in special)]

    def _drafts(self, opened: _Opened) -> Iterator[Draft]:
        name = opened.part.table
        for row, cells in opened.sheet.rows(opened.wanted):
            try:
                drafts = list(self._row(opened, row, cells))
            except _Unreadable as cell:
                self.tally.refused.append(Refusal(name, cell.reason, opened.sheet.where, row, cell.column))
                continue
            except (ValueError, TypeError):
                self.tally.refused.append(Refusal(name, "malformed_resource", opened.sheet.where, row))
                continue
            self.tally.read[opened.sheet.where] += 1
            yield from drafts

    def _row(self, opened: _Opened, row: int, cells: tuple[Any, ...]) -> Iterator[Draft]:
        name = opened.part.table
        values: dict[str, Any] = {}
        for (column, cell), given in zip(opened.cells, cells):
            try:
                value = self._value(name, column, cell, given)
            except (ValueError, TypeError, ArithmeticError):
                reason = "unreadable_time" if column.kind == "instant" else "malformed_resource"
                raise _Unreadable(reason, cell.column or column.name) from None
            if value is not None:
                values[column.name] = value
        if "value" in values:
            values["value"], said = values["value"]
            values.setdefault("text", said)
        said = {each: values.pop(each, None) for each in NAMING}
        if name == "patients" and self.system and "patient_id" in values:
            own = values["patient_id"]
            self._named[own] = Person.of(self.system, own, said["name"], said["identity_number"], said["phone"])
        _settle(values, name in _BOOKED)
        visit, panel = values.pop("encounter", None), values.pop("panel", None)
        encounter = None if visit is None else f"visit/{visit}"
        if name == "encounters":
            yield from _visit(values, opened.sheet.where, row)
            return
        if not opened.part.wide:
            yield Draft(name, values, opened.sheet.where, row, encounter, panel)
            return
        key = values.get("event_id")
        for (header, wide), given in zip(opened.part.wide.items(), cells[len(opened.cells) :]):
            if _nothing(given, dashed=False):
                continue
            number, text = _number(given)
            fact: dict[str, Any] = {
                "code_system": wide.code_system,
                "code": wide.code,
                "display": wide.display or header,
            }
            fact |= {"value": number, "text": text, "unit": wide.unit}
            fact |= {} if wide.context is None else {"context": wide.context}
            fact |= {} if key is None else {"event_id": f"{key}/{header}"}
            yield Draft(name, values | fact, opened.sheet.where, row, encounter, panel or f"{opened.sheet.where}/{row}")

    def _value(self, name: str, column: Column, cell: Cell, given: Any) -> Any:
        if cell.column is None:
            given = cell.value
        elif given is None or (_nothing(given, _dashed(name, column)) and given not in cell.map):
            given = cell.default
        if given is None:
            return None
        if cell.map:
            given = cell.map.get(given, cell.map.get(_text(given), given))
        if column.kind == "instant":
            return written(given, self.zone) if cell.since is None else self._counted(cell, given)
        if column.kind == "float":
            if (name, column.name) == _RESULT:
                return _number(given)
            number, _ = _number(given.strip(_MONEY) if isinstance(given, str) else given)
            if number is None:
                raise ValueError("a number is expected")
            return number
        if column.kind == "int":
            return int(float(given))
        if column.kind == "bool":
            word = _text(given).lower()
            if word not in YES | NO:
                raise ValueError("yes or no is expected")
            return word in YES
        if column.kind == "strings":
            return given if isinstance(given, list) else [each for each in _LISTED.split(_text(given)) if each]
        if (name, column.name) == ("patients", "region_code"):
            return region_code(_text(given))
        text = _text(given)
        word = WORDS.get((name, column.name), {}).get(text.lower(), text)
        if word not in CLOSED.get((name, column.name), (word,)):
            raise _Unreadable("unknown_word", cell.column or column.name)
        return word

    def _counted(self, cell: Cell, given: Any) -> When:
        """Return an instant that is written as a number of units since another."""
        begun, number = written(cell.since, self.zone), _number(given)[0]
        if begun is None or number is None:
            raise ValueError("a number is expected")
        at = begun.first + round(number * _MICROS[cell.unit])
        return When(at, at)


class _Unreadable(Exception):
    """A cell that does not hold what its column should: why, and the column's name in the file."""

    def __init__(self, reason: str, column: str) -> None:
        self.reason, self.column = reason, column


def _dashed(name: str, column: Column) -> bool:
    """Return whether a dash in a column says nothing: where a time or a number is wanted that is no result."""
    return column.kind in _EXACT and (name, column.name) != _RESULT


def _nothing(given: Any, dashed: bool) -> bool:
    """Return whether a cell is empty, or says that nothing is known; by a dash too, where that is no answer."""
    return given is None or (isinstance(given, str) and given.lower() in (NOTHING | DASHES if dashed else NOTHING))


class _Opened:
    """One part with one of its files: the columns looked up."""

    def __init__(self, part: Part, sheet: Sheet, mapping: str) -> None:
        self.part, self.sheet = part, sheet
        known = {each.name: each for each in table(part.table).columns}
        self.cells = [((known | _BESIDE | _NAMING)[name], cell) for name, cell in part.columns.items()]
        self.wanted = [cell.column for _, cell in self.cells] + list(part.wide)
        for name in self.wanted:
            if name is not None and name not in sheet.columns:
                raise InputError(
                    f"no column '{name}'", where=f"{mapping}, {sheet.where}", given=name, known=sheet.columns
                )


def _visit(values: dict[str, Any], where: str, row: int) -> Iterator[Draft]:
    """Draft a visit, finished unless the file says otherwise, known from its end; a stay is in progress before."""
    values.setdefault("status", "finished")
    start, end = values.get("time"), values.get("end")
    if values["status"] == "finished" and end is not None:
        values.setdefault("known_at", end)
    if "event_id" in values:
        values["event_id"] = f"visit/{values['event_id']}"
        stay = values.get("kind") == "inpatient" and values["status"] == "finished" and "version" not in values
        if stay and start is not None and end is not None and end > start:
            begun = {name: each for name, each in values.items() if name not in ("end", "fee")}
            yield Draft("encounters", begun | {"status": "in_progress", "known_at": start, "version": 1}, where, row)
            values["version"] = 2
    yield Draft("encounters", values, where, row)


def _settle(values: dict[str, Any], ahead: bool) -> None:
    """Make instants of what times may mean: the end of it, or for what happened the moment of recording within it.

    A recording before the fact is not plausible and left out, unless the fact may be ahead (a booking).
    """
    spans = {name: each for name, each in values.items() if isinstance(each, When)}
    values |= {name: each.last for name, each in spans.items()}
    happened, closing = spans.get("time"), spans.get("known_at") or spans.get("end")
    if happened and closing and happened.first <= closing.last < happened.last:
        values["time"] = closing.last
    if happened and not ahead and values.get("known_at", happened.first) < happened.first:
        del values["known_at"]


def _number(given: Any) -> tuple[float | None, str | None]:
    """Return the number of a result and the sign before it (``<0.5``); of a word (阴性) only the text."""
    if isinstance(given, bool):
        return float(given), None
    if isinstance(given, str):
        found = _NUMBER.fullmatch(given.strip())
        if not found:
            return None, given if len(given) <= _LONGEST_ANSWER else None
        return float(found[2].replace(",", "")), found[1]
    return float(given), None


def _text(given: Any) -> str:
    if isinstance(given, float) and given == int(given):
        return str(int(given))
    return str(given).strip()
