"""The event behind each value, found plainly, feature by feature: what `features.behind` must agree with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from features.canonical import canonical
from features.history import Reduction, Selection
from features.instants import DAY, iso
from features.plan import Plan
from features.program import Program, edge
from features.rows import Rows

Origin = dict[str, Any]
_NAMED = ("patient_id", "time", "event_id", "source")


class Asked:
    """One patient's events, and what they say when asked.

    Parameters
    ----------
    plan
        What to compute.
    tables
        The patient's canonical tables; those of others in them are left out.
    patient_id
        The patient.
    """

    def __init__(self, plan: Plan, tables: Mapping[str, pa.Table], patient_id: str) -> None:
        self._plan, self._tables = plan, tables
        self._ready = plan.ready(tables, pa.array([patient_id], pa.string()))
        self._names: dict[str, tuple[list[Any], list[Any]]] = {}

    def vector(self, at: int) -> np.ndarray:
        """Return the (features,) vector at UTC microseconds; null is NaN."""
        return self._plan.swept(self._ready, np.zeros(1, np.int64), np.array([at], np.int64))[0]

    def provenance(self, at: int, names: Sequence[str]) -> dict[str, Origin]:
        """Return the event behind each value.

        For an extreme, a first or a last value it is the event that holds it, for everything else the
        latest event in the window; of a derived feature the latest of its inputs' events.

        Parameters
        ----------
        at
            The landmark, UTC microseconds.
        names
            Features asked about; those that the plan lacks are left out.

        Returns
        -------
        dict
            Feature -> event_id, time, known_at, source and n, the number of events in the window. A
            feature that no event stands behind is left out.
        """
        found: dict[str, Origin] = {}
        inside: dict[tuple[Selection, bool], np.ndarray] = {}
        for name in self._needed(names):
            reduction = self._plan.reductions[name]
            if (origin := self._origin(reduction, at, inside)) is not None:
                found[name] = origin
        for _, feature, _ in self._plan.derived:
            behind = [found[each] for each in feature.inputs if each in found]
            if behind:
                latest = max(behind, key=lambda origin: (origin["time"], origin["event_id"]))
                found[feature.name] = latest | {"n": sum(origin["n"] for origin in behind)}
        return {name: found[name] for name in names if name in found}

    @cached_property
    def _programs(self) -> dict[str, Program]:
        return {program.table: program for program in self._plan.programs}

    def _needed(self, names: Sequence[str]) -> list[str]:
        """Return the features read off events that these rest on."""
        wanted = set(names)
        for _, feature, _ in reversed(self._plan.derived):
            if feature.name in wanted:
                wanted.update(feature.inputs)
        return [name for name in self._plan.reductions if name in wanted]

    def _origin(self, reduction: Reduction, at: int, known: dict[tuple[Selection, bool], np.ndarray]) -> Origin | None:
        selection = reduction.selection
        program, ready = self._programs[selection.table], self._ready.rows[selection.table]
        asked = (selection, reduction.kind == "coverage")
        if asked[1] or asked not in known:
            known[asked] = _places(reduction, program, ready, at)
        places = known[asked]
        if not len(places):
            return None
        telling = _telling(reduction, program, ready, places)
        ids, sources = self._told(selection.table)
        row = int(ready.origin[telling])
        times = {"time": iso(int(ready.time[telling])), "known_at": iso(int(ready.known[telling]))}
        return {"event_id": ids[row], **times, "source": sources[row], "n": len(places)}

    def _told(self, name: str) -> tuple[list[Any], list[Any]]:
        """Return event_id and source of every row of a table."""
        if name not in self._names:
            found = self._tables[name]
            if "event_id" in found.column_names and not found["event_id"].null_count:
                found = found.select([each for each in _NAMED if each in found.column_names])
            settled = canonical(found, name, ("event_id", "source"))
            self._names[name] = (settled["event_id"].to_pylist(), settled["source"].to_pylist())
        return self._names[name]


def _places(reduction: Reduction, program: Program, ready: Rows, at: int) -> np.ndarray:
    """Return the places of the events that the value is made of, in order."""
    selection = reduction.selection
    passing = ready.passes[ready.signature, program.selections[replace(selection, days=None, ahead=False)]]
    visible = passing & (ready.known <= at) & (at < ready.until)
    span = edge(selection)
    age = ready.time - at if selection.ahead else at - ready.time
    inside = (ready.time > at if selection.ahead else ready.time <= at) & (age < span)
    if reduction.kind == "coverage":
        inside |= (ready.time <= at) & (ready.time + _supplied(reduction, program, ready) > at - span)
    return np.flatnonzero(visible & inside)


def _supplied(reduction: Reduction, program: Program, ready: Rows) -> np.ndarray:
    """Return the (n,) microseconds that each row supplies."""
    if reduction.column is None:
        return np.full(len(ready.time), (reduction.supply or 0.0) * DAY)
    return np.nan_to_num(ready.values[program.values[(reduction.column, False)]]) * DAY


def _telling(reduction: Reduction, program: Program, ready: Rows, places: np.ndarray) -> int:
    """Return the row that holds the value, or the one nearest to the landmark."""
    nearest, farthest = (0, -1) if reduction.selection.ahead else (-1, 0)
    if reduction.column is None or reduction.kind not in ("first", "last", "min", "max", "days_since"):
        return int(places[nearest])
    values = ready.values[program.values[(reduction.column, False)], places]
    held = places[~np.isnan(values)]
    if not len(held):
        return int(places[nearest])
    if reduction.kind in ("min", "max"):
        pick = np.nanargmin if reduction.kind == "min" else np.nanargmax
        return int(places[pick(values)])
    return int(held[farthest if reduction.kind == "first" else nearest])
