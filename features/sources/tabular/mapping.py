"""The mapping of an export: which file and column stands for which canonical table and column, in YAML."""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from features.errors import InputError
from features.params import general
from features.schema import TABLES, table
from features.sources.dates import written
from features.sources.sheet import ENDINGS

KNOWN = tuple(name for name in TABLES if name != "observed")
_BESIDE = ("encounter", "panel")
"""What a row may name beside the columns of its table: the visit and the reading that it belongs to."""
_UNTIMED = ("patients", "family_history")
"""Tables whose rows are dated by the first contact where no column says when."""
NAMING = ("name", "identity_number", "phone")
"""What a row of patients may say for the identity map; it is never written to a lake."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Strict):
    """Where a canonical column comes from.

    Parameters
    ----------
    column
        Column of the file; absent where the value is always the same.
    map
        Words of the file to values of the table; a word that is not there stays as it is.
    default
        What stands for an empty cell.
    value
        The value of every row.
    since, unit
        Of a time that is a number: what it counts from, and in which unit (a stay in minutes since admission).
    """

    since: Any = None
    unit: Literal["milliseconds", "seconds", "minutes", "hours", "days"] = "days"
    column: str | None = None
    map: dict[Any, Any] = {}
    default: Any = None
    value: Any = None


class Wide(_Strict):
    """One column that is one observation: a check-up with a column for each measurement."""

    code_system: str
    code: str
    display: str | None = None
    unit: str | None = None
    context: str | None = None


class Part(_Strict):
    """One kind of file of the export.

    Parameters
    ----------
    file
        Name, or a pattern with ``*``, in the export's folder.
    table
        Canonical table.
    columns
        Canonical column to column of the file, or to a Cell.
    wide
        Observations only: column of the file to what it measures.
    sheet
        Sheet of a workbook; absent: the first.
    encoding
        Of a text file; absent: seen from the file.
    header
        Names of the columns of a text file or a workbook whose first row is data.
    """

    file: str
    table: str
    columns: dict[str, Cell]
    wide: dict[str, Wide] = {}
    sheet: str | None = None
    encoding: str | None = None
    header: tuple[str, ...] = ()

    @field_validator("columns", mode="before")
    @classmethod
    def _cells(cls, given: Any) -> Any:
        if isinstance(given, dict):
            return {key: each if isinstance(each, dict) else {"column": str(each)} for key, each in given.items()}
        return given


class Mapping(_Strict):
    """The whole of it: the zone of times without an offset, whose ids these are (for the identity map), the parts."""

    zone: str | None = None
    system: str = ""
    tables: tuple[Part, ...]


def read_mapping(path: Path) -> Mapping:
    """Read and check a mapping.

    Raises
    ------
    InputError
        It cannot be read, or it names a table, column or key that there is not.
    """
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        mapping = Mapping.model_validate(read)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"cannot be read: {str(error).splitlines()[0]}", where=path.name) from None
    except ValidationError as error:
        raise _told(error, path.name, read) from None
    for place, part in enumerate(mapping.tables):
        where = f"{path.name} tables.{place} ({part.file})"
        if part.table not in KNOWN:
            raise InputError(f"no table '{part.table}'", where=where, given=part.table, known=KNOWN)
        known = (*table(part.table).names, *_BESIDE, *(NAMING if part.table == "patients" else ()))
        for name in part.columns:
            if name not in known:
                raise InputError(f"table {part.table} has no column '{name}'", where=where, given=name, known=known)
        for each in table(part.table).columns:
            if each.required and each.name != "time" and each.name not in part.columns:
                raise InputError(f"names no column for {each.name}", where=where, remedy=f"add '{each.name}: ...'")
        if (
            part.table not in _UNTIMED
            and table(part.table).per_patient
            and not {"time", "encounter"} & set(part.columns)
        ):
            raise InputError("names no column for time", where=where, remedy="add 'time: ...'")
        for name, cell in part.columns.items():
            at = f"{where} columns.{name}"
            _time(cell.since, "since", at)
            if name in table(part.table).names and table(part.table).column(name).kind == "instant":
                _time(cell.value, "value", at)
                _time(cell.default, "default", at)
        if part.wide and part.table != "observations":
            raise InputError("'wide' is for observations", where=where, remedy="write it under table: observations")
    return mapping


def _time(given: Any, key: str, where: str) -> None:
    try:
        written(given, general().zone)
    except ValueError:
        raise InputError(f"'{key}' is no time", where=where, remedy="write 2012-01-01, say") from None


def found(folder: Path, mapping: Path) -> Path:
    """Return the mapping's file: the one that was named, else the only YAML file of the folder.

    Raises
    ------
    InputError
        There is none, or there are several.
    """
    if mapping.is_file():
        return mapping
    every = sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml"))
    named = [path for path in every if path.stem == "mapping"]
    if len(named or every) != 1:
        raise InputError(
            "no mapping" if not every else "several YAML files",
            where=str(folder),
            remedy="write mapping.yaml in this folder, or name it with --mapping; docs/ingest.md shows one whole",
        )
    return (named or every)[0]


def files(folder: Path, part: Part, where: str) -> tuple[Path, ...]:
    """Return the files that a part speaks of.

    Raises
    ------
    InputError
        There is none.
    """
    every = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and (path.name.lower().endswith(ENDINGS) or path.name == Path(part.file).name)
    )
    names = {str(path.relative_to(folder)): path for path in every}
    chosen = tuple(
        path
        for name, path in names.items()
        if fnmatch.fnmatch(name, part.file) or fnmatch.fnmatch(path.name, part.file)
    )
    if not chosen:
        raise InputError(f"no file '{part.file}'", where=where, given=part.file, known=tuple(names))
    return chosen


def _told(error: ValidationError, name: str, read: Any) -> InputError:
    first = error.errors()[0]
    place = ".".join(str(each) for each in first["loc"])
    if first["type"] == "extra_forbidden":
        model: type[BaseModel] = Mapping
        inner: dict[str, type[BaseModel]] = {"tables": Part, "columns": Cell, "wide": Wide}
        for key in first["loc"][:-1]:
            model = inner.get(str(key), model)
        given = str(first["loc"][-1])
        return InputError(f"no key '{given}'", where=f"{name} {place}", given=given, known=tuple(model.model_fields))
    if not isinstance(read, dict):
        return InputError("is no mapping", where=name, remedy="begin with 'tables:'; docs/ingest.md shows one whole")
    return InputError(first["msg"].lower(), where=f"{name} {place}", remedy="docs/ingest.md shows one whole")
