"""Where a value comes from: the event behind each feature of one patient at one landmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from features import instants
from features.canonical import canonical
from features.history import Reduction
from features.instants import DAY
from features.plan import Plan
from features.program import Program, edge
from features.rows import Rows, rows

Origin = dict[str, Any]


def provenance(
    plan: Plan, tables: Mapping[str, pa.Table], patient_id: str, at: int, names: Sequence[str]
) -> dict[str, Origin]:
    """Return the event behind each value.

    For an extreme, a first or a last value it is the event that holds it, for everything else the
    latest event in the window; of a derived feature the latest of its inputs' events.

    Parameters
    ----------
    tables
        The patient's canonical tables.
    at
        The landmark, UTC microseconds.

    Returns
    -------
    dict
        Feature -> event_id, time, known_at, source and n, the number of events in the window. A
        feature that no event stands behind is left out.
    """
    patients = pa.array([patient_id], pa.string())
    programs = {program.table: program for program in plan.programs}
    ready = {name: rows(tables.get(name), program, patients) for name, program in programs.items()}
    whole = {name: canonical(found, name) for name, found in tables.items() if name in programs}
    found: dict[str, Origin] = {}
    for name, reduction in plan.reductions.items():
        table = reduction.selection.table
        if table in whole and (origin := _origin(reduction, programs[table], ready[table], whole[table], at)):
            found[name] = origin
    for _, feature, _ in plan.derived:
        behind = [found[each] for each in feature.inputs if each in found]
        if behind:
            latest = max(behind, key=lambda origin: (origin["time"], origin["event_id"]))
            found[feature.name] = latest | {"n": sum(origin["n"] for origin in behind)}
    return {name: found[name] for name in names if name in found}


def _origin(reduction: Reduction, program: Program, ready: Rows, whole: pa.Table, at: int) -> Origin | None:
    selection = reduction.selection
    passing = ready.passes[ready.signature, program.selections[replace(selection, days=None, ahead=False)]]
    visible = passing & (ready.known <= at) & (at < ready.until)
    span = edge(selection)
    age = ready.time - at if selection.ahead else at - ready.time
    inside = (ready.time > at if selection.ahead else ready.time <= at) & (age < span)
    if reduction.kind == "coverage":
        inside |= (ready.time <= at) & (ready.time + _supplied(reduction, program, ready) > at - span)
    places = np.flatnonzero(visible & inside)
    if not len(places):
        return None
    row = int(ready.origin[_telling(reduction, program, ready, places)])
    event = {name: whole[name][row].as_py() for name in ("event_id", "source") if name in whole.column_names}
    times = {name: instants.iso(whole[name][row].value) for name in ("time", "known_at")}
    return {"event_id": event["event_id"], **times, "source": event.get("source"), "n": len(places)}


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
