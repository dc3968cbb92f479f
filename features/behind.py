# mypy: disable-error-code="no-untyped-def,call-arg,assignment"
"""The event behind each value of one patient's vector, found for all features of a table in one walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numba import njit, types

from features.arrange import INTS, LONGS
from features.history import Reduction
from features.instants import DAY
from features.plan import Plan
from features.program import Program, edge
from features.rows import Rows

_REALS = types.Array(types.float64, 1, "C", readonly=True)
_VALUES = types.Array(types.float64, 2, "C", readonly=True)
_FLAGS = types.Array(types.boolean, 2, "C", readonly=True)
_OUT = types.Array(types.int64, 1, "C")
LATEST, FIRST, LAST, LEAST, GREATEST = range(5)
"""Which event tells: the nearest to the landmark, or the one that holds the value."""
_TELLS = {"first": FIRST, "last": LAST, "days_since": LAST, "min": LEAST, "max": GREATEST}


@njit(
    types.void(
        types.int64, LONGS, LONGS, LONGS, INTS, _VALUES, _FLAGS,
        LONGS, INTS, INTS, LONGS, types.Array(types.boolean, 1, "C", readonly=True), INTS, _REALS,
        _OUT, _OUT,
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def behind(
    at, time, known, until, signature, values, passes,
    selection, tells, column, span, ahead, covers, supply,
    place, count,
):  # fmt: skip
    """For each feature set ``place``, the row that tells its value (-1: none), and ``count``, the events in its window.

    Parameters
    ----------
    at
        The landmark.
    time, known, until, signature, values, passes
        One patient's rows, as `features.rows.Rows`.
    selection, tells, column, span, ahead
        (features,) place in ``passes``, which event tells, the column of its values (-1: none), the
        window, whether it looks ahead.
    covers, supply
        (features,) for a coverage the column of the days supplied, or -1 and the days; else -2.
    """
    for feature in range(len(selection)):
        found, held, seen = np.int64(-1), np.int64(-1), np.int64(0)
        edge_of, forward, values_of = span[feature], ahead[feature], column[feature]
        for row in range(len(time)):
            if not (passes[signature[row], selection[feature]] and known[row] <= at < until[row]):
                continue
            age = time[row] - at if forward else at - time[row]
            inside = (age > 0 if forward else age >= 0) and age < edge_of
            if not inside and covers[feature] > -2 and time[row] <= at:
                days = supply[feature] if covers[feature] < 0 else values[covers[feature], row]
                lasting = np.int64(0) if np.isnan(days) else np.int64(days * DAY)
                inside = time[row] + lasting > at - edge_of
            if not inside:
                continue
            seen += 1
            if not forward or found < 0:
                found = row
            if values_of < 0 or np.isnan(values[values_of, row]):
                continue
            kind = tells[feature]
            if held < 0:
                held = row
            elif kind == LEAST:
                held = row if values[values_of, row] < values[values_of, held] else held
            elif kind == GREATEST:
                held = row if values[values_of, row] > values[values_of, held] else held
            elif (kind == LAST) != forward:
                held = row
        place[feature] = held if held >= 0 and tells[feature] != LATEST else found
        count[feature] = seen


@dataclass(frozen=True)
class _Asked:
    """The features of one table, as arrays for `behind`."""

    names: tuple[str, ...]
    parts: tuple[np.ndarray, ...]


class Behind:
    """Finds the events behind the values of a plan's vectors, one patient at a time.

    Parameters
    ----------
    plan
        The plan whose rows are walked.
    """

    def __init__(self, plan: Plan) -> None:
        by_table: dict[str, dict[str, Reduction]] = {}
        for name, reduction in plan.reductions.items():
            by_table.setdefault(reduction.selection.table, {})[name] = reduction
        self.plan = plan
        self._tables = {each.table: _compiled(each, by_table[each.table]) for each in plan.programs}

    def places(self, rows: Mapping[str, Rows], at: int) -> dict[str, tuple[str, int, int]]:
        """Return feature -> (table, place of the row that tells its value, events in its window).

        A feature that no event stands behind is left out.

        Parameters
        ----------
        rows
            One patient's rows by table.
        at
            The landmark, UTC microseconds.
        """
        found: dict[str, tuple[str, int, int]] = {}
        for table, asked in self._tables.items():
            own = rows[table]
            if not len(own.time):
                continue
            place, count = np.empty(len(asked.names), np.int64), np.empty(len(asked.names), np.int64)
            events = (own.time, own.known, own.until, own.signature, own.values, own.passes)
            behind(at, *events, *asked.parts, place, count)
            for name, row, seen in zip(asked.names, place.tolist(), count.tolist(), strict=True):
                if row >= 0:
                    found[name] = (table, row, seen)
        return found


def _compiled(program: Program, reductions: Mapping[str, Reduction]) -> _Asked:
    each = tuple(reductions.values())
    told = [_TELLS.get(one.kind, LATEST) if one.column else LATEST for one in each]
    column = [
        program.values[(one.column, False)] if one.column and tells != LATEST else -1
        for one, tells in zip(each, told, strict=True)
    ]
    covers = [
        -2 if one.kind != "coverage" else program.values[(one.column, False)] if one.column else -1 for one in each
    ]
    chosen = [program.selections[replace(one.selection, days=None, ahead=False)] for one in each]
    return _Asked(
        tuple(reductions),
        (
            np.array(chosen, np.int64),
            np.array(told, np.int32),
            np.array(column, np.int32),
            np.array([edge(one.selection) for one in each], np.int64),
            np.array([one.selection.ahead for one in each], np.bool_),
            np.array(covers, np.int32),
            np.array([one.supply or 0.0 for one in each]),
        ),
    )
