"""What is computed from one table: its selections, cells and windows, laid out for the sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from features import sweep
from features.axis import CodeAxis, ColumnAxis, ListAxis
from features.history import Reduction, Selection
from features.made import needed
from features.schema import ARROW, table

MICROS = 86_400_000_000
EVENT_COLUMNS = ("patient_id", "time", "known_at", "event_id", "version", "void")
_KEEPS = {
    "count": (sweep.COUNT, sweep.AS_COUNT),
    "exists": (sweep.COUNT, sweep.AS_EXISTS),
    "sum": (sweep.SUM, sweep.AS_SUM),
    "mean": (sweep.SUM, sweep.AS_MEAN),
    "std": (sweep.SPREAD, sweep.AS_STD),
    "min": (sweep.MIN, sweep.AS_VALUE),
    "max": (sweep.MAX, sweep.AS_VALUE),
    "first": (sweep.FARTHEST, sweep.AS_VALUE),
    "last": (sweep.NEAREST, sweep.AS_VALUE),
    "slope": (sweep.SLOPE, sweep.AS_SLOPE),
    "days_since": (sweep.NEAREST, sweep.AS_SINCE),
    "distinct": (sweep.DISTINCT, sweep.AS_DISTINCT),
    "share": (sweep.COUNT, sweep.AS_SHARE),
}


@dataclass(frozen=True)
class Walk:
    """One direction of a table's sweep: arrays as ``features.sweep.sweep`` takes them."""

    keeps: np.ndarray
    column: np.ndarray
    reach: np.ndarray
    selection: np.ndarray
    edges: np.ndarray
    features_from: np.ndarray
    how: np.ndarray
    cell: np.ndarray
    part: np.ndarray
    needs: np.ndarray
    target: np.ndarray
    forward: bool


@dataclass(frozen=True)
class Cover:
    """The coverages of a table: arrays as ``features.coverage.cover`` takes them."""

    selection: np.ndarray
    column: np.ndarray
    supply: np.ndarray
    window: np.ndarray
    target: np.ndarray


class Program:
    """Features of one table, compiled.

    Parameters
    ----------
    name
        The canonical table.
    wanted
        ``(column of the vector, reduction)`` pairs.
    """

    def __init__(self, name: str, wanted: Sequence[tuple[int, Reduction]]) -> None:
        self.table = name
        self.selections: dict[Selection, int] = {}
        self.values: dict[tuple[str, bool], int] = {}
        self._grids: dict[tuple[int, ...], np.ndarray] = {}
        covers = [(target, each) for target, each in wanted if each.kind == "coverage"]
        swept = [(target, each) for target, each in wanted if each.kind != "coverage"]
        ahead = [(target, each) for target, each in swept if each.selection.ahead]
        back = [(target, each) for target, each in swept if not each.selection.ahead]
        self.walks = tuple(self._walk(part, forward) for part, forward in ((back, False), (ahead, True)) if part)
        self.cover = self._cover(covers) if covers else None
        named = {column: None for each in self.selections for column, _ in each.conditions}
        chosen = tuple(self.selections)
        self.axes: tuple[CodeAxis | ColumnAxis | ListAxis, ...] = tuple(
            (ListAxis if table(name).column(column).kind == "strings" else ColumnAxis)(column, chosen)
            for column in named
        )
        if any(each.codes for each in chosen):
            self.axes = (CodeAxis(chosen), *self.axes)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns that are read: the event columns, those filtered on and those reduced, or what they are made of."""
        return needed(self.table, (*EVENT_COLUMNS, *self.wanted))

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """Columns filtered on, and those reduced."""
        filtered = [column for axis in self.axes for column in axis.columns]
        return tuple(dict.fromkeys((*filtered, *(name for name, _ in self.values))))

    @cached_property
    def kinds(self) -> dict[str, pa.DataType]:
        """Columns that are read -> their canonical Arrow type."""
        return {name: ARROW[table(self.table).column(name).kind] for name in self.columns}

    def grid(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Return (signatures, selections): what passes for every signature, of what passes for each axis' classes."""
        sizes = tuple(len(each) for each in parts)
        if sizes not in self._grids:
            passes = np.ones((1, len(self.selections)), dtype=bool)
            for each in parts:
                passes = (passes[:, None] & each).reshape(-1, len(self.selections))
            self._grids[sizes] = passes
        return self._grids[sizes]

    def selection_of(self, selection: Selection) -> int:
        """Return the place of a selection, its window and direction left aside."""
        return self.selections.setdefault(replace(selection, days=None, ahead=False), len(self.selections))

    def _value(self, name: str, distinct: bool = False) -> int:
        """Return the place of a column among the values; one that is counted distinct holds ids."""
        return self.values.setdefault((name, distinct), len(self.values))

    def _walk(self, wanted: Sequence[tuple[int, Reduction]], forward: bool) -> Walk:
        reach: dict[tuple[int, int, int], int] = {}
        read: list[tuple[int, int, tuple[int, int, int], tuple[int, int, int] | None, int]] = []
        for target, each in wanted:
            keeps, how = _KEEPS[each.kind]
            if forward and each.kind in {"first", "last"}:
                keeps = sweep.NEAREST if each.kind == "first" else sweep.FARTHEST
            value = self._of(each)
            window = edge(each.selection)
            cell = (self.selection_of(each.selection), keeps, value)
            part = None
            if each.part:
                narrowed = replace(each.selection, conditions=(*each.selection.conditions, each.part))
                part = (self.selection_of(narrowed), keeps, value)
            for one in (cell, part) if part else (cell,):
                reach[one] = max(reach.get(one, 0), window)
            read.append((window, how, cell, part, target))
        cells = sorted(reach, key=lambda one: (-reach[one], one))
        place = {one: at for at, one in enumerate(cells)}
        read.sort(key=lambda one: (one[0], one[4]))
        edges = sorted({one[0] for one in read})
        return Walk(
            keeps=_ints([keeps for _, keeps, _ in cells]),
            column=_ints([value for *_, value in cells]),
            reach=_longs([reach[one] for one in cells]),
            selection=_longs([selection for selection, *_ in cells]),
            edges=_longs(edges),
            features_from=_ints([*np.searchsorted([one[0] for one in read], edges), len(read)]),
            how=_ints([one[1] for one in read]),
            cell=_ints([place[one[2]] for one in read]),
            part=_ints([place[one[3]] if one[3] else -1 for one in read]),
            needs=_longs([0 if forward else one[0] for one in read]),
            target=_ints([one[4] for one in read]),
            forward=forward,
        )

    def _of(self, each: Reduction) -> int:
        if each.kind == "days_since":
            return self._value(each.column or "time")
        if each.column is None:
            return -1
        return self._value(each.column, each.kind == "distinct")

    def _cover(self, wanted: Sequence[tuple[int, Reduction]]) -> Cover:
        return Cover(
            selection=_longs([self.selection_of(each.selection) for _, each in wanted]),
            column=_ints([self._value(each.column) if each.column else -1 for _, each in wanted]),
            supply=np.array([each.supply or 0.0 for _, each in wanted]),
            window=_longs([edge(each.selection) for _, each in wanted]),
            target=_ints([target for target, _ in wanted]),
        )


def edge(selection: Selection) -> int:
    """Return the age in microseconds at which a selection's window ends; ahead, the last instant counts."""
    if selection.days is None:
        return sweep.WHOLE
    return round(selection.days * MICROS) + (1 if selection.ahead else 0)


def _ints(values: Sequence[int]) -> np.ndarray:
    return np.array(values, dtype=np.int32)


def _longs(values: Sequence[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)
