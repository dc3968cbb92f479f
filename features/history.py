"""The words that feature groups are written in.

A history is what was known of a patient at a landmark, and here it is symbolic: nothing is read.
A :class:`Selection` says which events of one canonical table are meant, a :class:`Reduction` what
is made of them. Both are plain frozen values, so that the engine, the oracle in tests/ and the
documentation read one declaration. Mistakes are named where they are written, at import.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

from features.errors import InputError
from features.params import general
from features.schema import Column, table

REDUCTIONS = (
    "count",
    "exists",
    "sum",
    "mean",
    "std",
    "min",
    "max",
    "first",
    "last",
    "slope",
    "days_since",
    "distinct",
    "share",
    "coverage",
)
NUMBERS = ("float", "int", "bool")
Value: TypeAlias = str | float | int | bool
Condition: TypeAlias = tuple[str, tuple[Value, ...]]


@runtime_checkable
class CodeSet(Protocol):
    """What a codelist offers to a selection: see ``features.codes.Codelist``."""

    @property
    def name(self) -> str: ...

    @property
    def zh(self) -> str: ...

    @property
    def en(self) -> str: ...

    @property
    def unit(self) -> str: ...

    @property
    def digest(self) -> str: ...

    def matches(self, system: str, code: str) -> bool: ...


Code: TypeAlias = CodeSet | str


@dataclass(frozen=True)
class Selection:
    """Events of one table: all of them, until filters narrow it.

    Parameters
    ----------
    table
        Name of a canonical event table.
    codes
        Filters by code; an event passes each filter by matching any of its codelists or codes.
    conditions
        Filters by column; an event passes each by holding one of its values.
    days
        Length of the window in days, None for the whole history.
    ahead
        True for what is known at the landmark but happens after it (bookings).
    """

    table: str
    codes: tuple[tuple[Code, ...], ...] = ()
    conditions: tuple[Condition, ...] = ()
    days: float | None = None
    ahead: bool = False

    def coded(self, *codes: Code | Collection[Code]) -> Selection:
        """Keep events with one of these codes: codelists, or plain codes of any system, or tuples of them."""
        if "code" not in table(self.table).names:
            raise InputError("its events carry no codes", where=f"table {self.table}", remedy="use where(column=value)")
        found: list[Code] = []
        for code in codes:
            found += sorted(code, key=str) if isinstance(code, set | frozenset) else _several(code)
        for each in found:
            if not isinstance(each, str | CodeSet) or not each:
                raise InputError("neither a codelist nor a code", where=f"{self.table}.coded")
        if not found:
            raise InputError("no code given", where=f"{self.table}.coded")
        return replace(self, codes=(*self.codes, tuple(found)))

    def where(self, **values: Value | tuple[Value, ...]) -> Selection:
        """Keep events whose column holds this value, or one of a tuple; a column of several words, any of them."""
        return replace(self, conditions=(*self.conditions, *_conditions(self.table, values)))

    def within(self, *, days: float) -> Selection:
        """Keep events of the window (at - days, at]; ahead, of (at, at + days]. The narrower of two holds."""
        if isinstance(days, bool) or not isinstance(days, int | float) or not 0 < days < 100_000:
            raise InputError("days is a number between 0 and 100,000", where=f"{self.table}.within")
        return replace(self, days=days if self.days is None else min(days, self.days))

    def upcoming(self) -> Selection:
        """Look ahead: events known at the landmark that happen after it."""
        return replace(self, ahead=True)

    def count(self, **labels: str) -> Reduction:
        """Number of events."""
        return Reduction(self, "count").labelled(**labels)

    def exists(self, **labels: str) -> Reduction:
        """1 where there is an event, else 0."""
        return Reduction(self, "exists").labelled(**labels)

    def sum(self, column: str, **labels: str) -> Reduction:
        """Sum of a numeric column; nulls add nothing."""
        return Reduction(self, "sum", self._numeric("sum", column)).labelled(**labels)

    def mean(self, column: str, **labels: str) -> Reduction:
        """Mean of a numeric column."""
        return Reduction(self, "mean", self._numeric("mean", column)).labelled(**labels)

    def std(self, column: str, **labels: str) -> Reduction:
        """Sample standard deviation (n - 1); null below two values."""
        return Reduction(self, "std", self._numeric("std", column)).labelled(**labels)

    def min(self, column: str, **labels: str) -> Reduction:
        """Least value."""
        return Reduction(self, "min", self._numeric("min", column)).labelled(**labels)

    def max(self, column: str, **labels: str) -> Reduction:
        """Greatest value."""
        return Reduction(self, "max", self._numeric("max", column)).labelled(**labels)

    def first(self, column: str, **labels: str) -> Reduction:
        """Value of the least (time, event_id) among events that have one."""
        return Reduction(self, "first", self._numeric("first", column)).labelled(**labels)

    def last(self, column: str, **labels: str) -> Reduction:
        """Value of the greatest (time, event_id) among events that have one."""
        return Reduction(self, "last", self._numeric("last", column)).labelled(**labels)

    def slope(self, column: str, **labels: str) -> Reduction:
        """Least-squares slope per day; null below two distinct times."""
        return Reduction(self, "slope", self._numeric("slope", column)).labelled(**labels)

    def days_since(self, column: str | None = None, **labels: str) -> Reduction:
        """Days, with their fraction, since the event nearest to the landmark.

        With an instant column: since that column of the nearest event that has it set. Negative
        for an instant after the landmark (a due date, a booking ahead).
        """
        if column is not None:
            self._column("days_since", column, ("instant",))
        return Reduction(self, "days_since", column).labelled(**labels)

    def distinct(self, column: str, **labels: str) -> Reduction:
        """Number of different values of a column; null is not a value."""
        self._column("distinct", column, ("string", "float", "int", "bool", "instant"))
        return Reduction(self, "distinct", column).labelled(**labels)

    def share(self, *, label_zh: str = "", label_en: str = "", **value: Value | tuple[Value, ...]) -> Reduction:
        """Share of the events whose column holds this value (or one of a tuple); null over none."""
        if len(value) != 1:
            raise InputError(
                "exactly one column=value", where=f"{self.table}.share", remedy="filter by where() for more"
            )
        part = _conditions(self.table, value)[0]
        return Reduction(self, "share", part=part).labelled(label_zh=label_zh, label_en=label_en)

    def coverage(self, days: str | float, **labels: str) -> Reduction:
        """Proportion of the window's days covered by supply.

        Parameters
        ----------
        days
            Numeric column holding the days that an event supplies, or one number for all.
        """
        where = f"{self.table}.coverage"
        if self.days is None:
            raise InputError("needs a window", where=where, remedy="narrow it by within(days=...)")
        if self.ahead:
            raise InputError("looks back, upcoming() looks ahead", where=where)
        if isinstance(days, str):
            return Reduction(self, "coverage", self._numeric("coverage", days)).labelled(**labels)
        if isinstance(days, bool) or not isinstance(days, int | float) or not days > 0:
            raise InputError("days is a column or a number above 0", where=where)
        return Reduction(self, "coverage", supply=float(days)).labelled(**labels)

    def definition(self) -> dict[str, Any]:
        """Return what defines the selection, as plain JSON values in a canonical order."""
        codes = [sorted((_code(code) for code in any_of), key=str) for any_of in self.codes]
        conditions = [[name, sorted(values, key=str)] for name, values in self.conditions]
        return {
            "table": self.table,
            "codes": sorted(codes, key=str),
            "where": sorted(conditions, key=str),
            "days": self.days,
            "ahead": self.ahead,
        }

    def _numeric(self, reduction: str, name: str) -> str:
        return self._column(reduction, name, NUMBERS).name

    def _column(self, reduction: str, name: str, kinds: tuple[str, ...]) -> Column:
        where = f"{self.table}.{reduction}"
        readable = table(self.table).readable
        known = tuple(column.name for column in readable if column.kind in kinds)
        if not isinstance(name, str) or name not in {column.name for column in readable}:
            raise InputError(f"no column '{name}'", where=where, given=str(name), known=known)
        column = table(self.table).column(name)
        if column.kind not in kinds:
            raise InputError(f"column '{name}' is a {column.kind}", where=where, known=known)
        return column


@dataclass(frozen=True)
class Reduction:
    """One number made of a selection's events: a feature.

    ``column`` is reduced; ``part`` is the condition of a share; ``supply`` the days of a coverage
    where they are one number. A label composed from codelist, reduction and window stands unless
    ``label_zh`` or ``label_en``, given to the reduction or to ``labelled``, overrides it.
    """

    selection: Selection
    kind: str
    column: str | None = None
    part: Condition | None = None
    supply: float | None = None
    label_zh: str = field(default="", compare=False)
    label_en: str = field(default="", compare=False)

    def labelled(self, *, label_zh: str = "", label_en: str = "") -> Reduction:
        """Return the same feature under labels of one's own."""
        return replace(self, label_zh=label_zh or self.label_zh, label_en=label_en or self.label_en)

    def definition(self) -> dict[str, Any]:
        """Return what defines the feature, as plain JSON values."""
        part = [self.part[0], sorted(self.part[1], key=str)] if self.part else None
        read = {self.column, *(name for name, _ in (*self.selection.conditions, *((self.part,) if self.part else ())))}
        return {
            "reduction": self.kind,
            "column": self.column,
            "part": part,
            "supply": self.supply,
            "of": self.selection.definition(),
            **({"zone": general().timezone} if "local_hour" in read else {}),
        }


def _several(code: Any) -> list[Any]:
    return list(code) if isinstance(code, list | tuple) else [code]


def _code(code: Code) -> Any:
    return code if isinstance(code, str) else {"codelist": code.name, "digest": code.digest}


def _conditions(name: str, values: dict[str, Any]) -> tuple[Condition, ...]:
    """Check column=value pairs against the table's columns."""
    read = []
    for key, given in values.items():
        column = table(name).column(key)
        several = given if isinstance(given, tuple | list | set | frozenset) else (given,)
        kinds = {"string": (str,), "strings": (str,), "bool": (bool,), "int": (int,), "float": (int, float)}
        fits = kinds.get(column.kind)
        if fits is None:
            raise InputError(f"column '{key}' is a {column.kind}, it cannot be compared", where=f"table {name}")
        for value in several:
            wrong = not isinstance(value, fits) or (isinstance(value, bool) and column.kind != "bool")
            if wrong or (isinstance(value, float) and math.isnan(value)):
                raise InputError(f"column '{key}' is a {column.kind}, a value given is not", where=f"table {name}")
        if not several:
            raise InputError(f"no value for column '{key}'", where=f"table {name}")
        read.append((key, tuple(several)))
    return tuple(read)
