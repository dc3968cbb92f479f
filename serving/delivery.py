"""Events as they are delivered: each line checked against the canonical tables and the quality checks.

A line that cannot be believed is set aside with its reason; the rest is stored. ``known_at`` is the
server's clock, so history does not come this way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from pydantic import TypeAdapter, ValidationError

from features.coding import codelists, in_units
from features.instants import DAY
from features.quality import CHECKS, MISSING, Batch, judge
from features.schema import TABLES, Column, table
from serving.problem import Problem
from serving.reading import parse
from serving.schemas import Date, Instant, Surrogate

_TEXT = 2_000
_STAMPED = ("known_at",)
_PRESSURES = ("systolic", "diastolic")
_FIELDS = {
    "dated_ahead": "time",
    "birth_date_after_visit": "time",
    "birth_date_after_event": "time",
    "negative_age": "birth_date",
    "death_before_birth": "deceased_at",
    "end_before_start": "end",
    "unit_not_known": "unit",
    "implausible_value": "value",
    "systolic_below_diastolic": "value",
    "negative_fee": "fee",
    "negative_supply": "days_supply",
}
"""Reason of a check -> the field that it concerns."""
_SURROGATE: TypeAdapter[str] = TypeAdapter(Surrogate)
_INSTANT: TypeAdapter[int] = TypeAdapter(Instant)
_DATE: TypeAdapter[int] = TypeAdapter(Date)


class Unfit(Exception):
    """A line that is set aside: the reason, and the field of our own schema that it concerns."""

    def __init__(self, code: str, field: str | None = None) -> None:
        super().__init__(code)
        self.code, self.field = code, field


@dataclass
class Line:
    """One delivered line: the table and row it became, or why it is set aside."""

    place: int
    table: str = ""
    row: Mapping[str, Any] | None = None
    unfit: Unfit | None = None
    said: Any = None

    @property
    def event_id(self) -> str | None:
        """The event's id; of a line that is set aside, the one it gave itself where that is well formed."""
        if self.row is not None:
            return str(self.row["event_id"])
        named = self.said.get("event_id") if isinstance(self.said, dict) else None
        try:
            return _SURROGATE.validate_python(named, strict=True)
        except ValidationError:
            return None


def lines_of_json(events: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Read the events of a JSON delivery."""
    return [_line(place, event) for place, event in enumerate(events)]


def lines_of_ndjson(raw: bytes, most: int) -> list[Line]:
    """Read one event a line; a line that is not JSON is set aside.

    Raises
    ------
    Problem
        422 where there is no line, or more than ``most``.
    """
    texts = [text for text in raw.split(b"\n") if text.strip()]
    if not 1 <= len(texts) <= most:
        raise Problem(422, f"send 1 to {most} lines")
    found = []
    for place, text in enumerate(texts):
        try:
            event = parse(text)
        except Problem:
            found.append(Line(place, unfit=Unfit("unreadable_json"), said=text.decode("utf-8", "replace")))
            continue
        found.append(_line(place, event))
    return found


def _line(place: int, event: Any) -> Line:
    line = Line(place, said=event)
    try:
        line.table, line.row = _checked(event)
    except Unfit as unfit:
        line.unfit = unfit
    return line


def _checked(event: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(event, dict):
        raise Unfit("malformed_event")
    name = event.get("table")
    if not isinstance(name, str) or name not in TABLES or not TABLES[name].per_patient:
        raise Unfit("unknown_table", "table")
    if name == "consents":
        raise Unfit("use_consents_route", "table")
    columns = {column.name: column for column in table(name).columns if column.name not in _STAMPED}
    row: dict[str, Any] = {}
    for key, value in event.items():
        if key == "table":
            continue
        if key not in columns:
            raise Unfit("unknown_field", key if key in _STAMPED else None)
        row[key] = _value(columns[key], value)
    for key in ("patient_id", "time"):
        if row.get(key) is None:
            raise Unfit("missing_field", key)
    if row.get("event_id") is None:
        row["event_id"] = hashlib.sha256(orjson.dumps(event, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    return name, {"version": 1, "void": False, **{key: value for key, value in row.items() if value is not None}}


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if column.name in ("patient_id", "event_id"):
        return _typed(_SURROGATE, value, column)
    if column.kind == "instant":
        return _typed(_DATE if column.name == "birth_date" else _INSTANT, value, column)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "string": isinstance(value, str) and len(value) <= _TEXT,
        "float": number,
        "int": number and isinstance(value, int) and abs(value) < 2**62,
        "bool": isinstance(value, bool),
        "strings": isinstance(value, list) and all(isinstance(each, str) and len(each) <= _TEXT for each in value),
    }
    if not fits[column.kind]:
        raise Unfit("wrong_type", column.name)
    return float(value) if column.kind == "float" else value


def _typed(adapter: TypeAdapter[Any], value: Any, column: Column) -> Any:
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError:
        raise Unfit("wrong_type", column.name) from None


def disbelieve(lines: Sequence[Line], known_at: int, births: Mapping[str, int | None]) -> None:
    """Ask the quality checks of every readable line, and set aside what fails; values get their unit.

    Parameters
    ----------
    births
        Birth date of the patients on record, UTC microseconds; a delivered one counts before it.
    """
    persons = [line.row for line in lines if line.row is not None and line.table == "patients"]
    told = {row["patient_id"]: row.get("birth_date") for row in persons}
    born = {**births, **{patient: birth for patient, birth in told.items() if birth is not None}}
    for name in {line.table for line in lines if line.row is not None}:
        own = [line for line in lines if line.row is not None and line.table == name]
        batch = _batch(name, [line.row for line in own if line.row is not None], known_at, born)
        for line, place in zip(own, judge(name, batch).tolist(), strict=True):
            if place >= 0:
                reason = CHECKS[place].reason
                line.unfit, line.row = Unfit(reason, _FIELDS.get(reason)), None


def _batch(name: str, rows: list[Any], known_at: int, births: Mapping[str, int | None]) -> Batch:
    columns: dict[str, np.ndarray] = {}
    for column in table(name).columns:
        values = [row.get(column.name) for row in rows]
        if column.kind == "instant":
            columns[column.name] = np.array([MISSING if value is None else value for value in values], np.int64)
        elif column.kind in ("float", "int"):
            columns[column.name] = np.array([np.nan if value is None else value for value in values], np.float64)
        else:
            held = np.empty(len(values), object)
            held[:] = values
            columns[column.name] = held
    columns["known_at"] = np.full(len(rows), known_at, np.int64)
    size = len(rows)
    lists, read = np.full(size, None, object), np.ones(size, bool)
    if TABLES[name].clinical:
        lists = codelists(columns["code_system"], columns["code"])
    if name == "observations":
        columns["value"], columns["unit"], read = in_units(lists, columns["value"], columns["unit"])
        for row, value, unit in zip(rows, columns["value"].tolist(), columns["unit"].tolist(), strict=True):
            if row.get("value") is not None:
                row.update({"value": value, "unit": unit})
    known = [births.get(row["patient_id"]) for row in rows]
    birth = np.array([MISSING if each is None else each for each in known], np.int64)
    names = np.array([each.name if each else None for each in lists], object)
    none = np.zeros(size, bool)
    inverted = _inverted(columns, names) if name == "observations" else none
    unborn = (birth != MISSING) & (birth - DAY > known_at)
    return Batch(columns, birth, np.ones(size, bool), names, read, inverted, unborn, none, none, known_at)


def _inverted(columns: Mapping[str, np.ndarray], codelist: np.ndarray) -> np.ndarray:
    """Say of each row whether it belongs to a pressure, one patient's at one time, whose systolic is the lower."""
    readings: dict[tuple[str, int], dict[str, list[float]]] = {}
    keys = list(zip(columns["patient_id"].tolist(), columns["time"].tolist(), strict=True))
    for key, name, value in zip(keys, codelist.tolist(), columns["value"].tolist(), strict=True):
        if name in _PRESSURES and not np.isnan(value):
            readings.setdefault(key, {}).setdefault(name, []).append(value)
    wrong = {key for key, read in readings.items() if len(read) == 2 and max(read["systolic"]) < min(read["diastolic"])}
    return np.array([key in wrong and name in _PRESSURES for key, name in zip(keys, codelist, strict=True)], bool)


def quarantined(line: Line, at: str) -> bytes:
    """Return what is set aside as one JSON line, with its reason; for the operator's eyes alone."""
    assert line.unfit is not None
    return orjson.dumps({"at": at, "reason": line.unfit.code, "field": line.unfit.field, "record": line.said}) + b"\n"
