"""The oracle: every declaration evaluated in plain Python, slowly and one landmark at a time.

It reads the same Reduction and Selection values as the engine and shares no code with it. Events
are dicts by canonical column, instants integers of UTC microseconds, null is None. Sums are exact
(fractions), so what differs from the engine beyond rounding is a mistake of one of the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from features.derived import Derived
from features.group import FeatureGroup
from features.history import Reduction, Selection

Event = dict[str, Any]
Tables = Mapping[str, Sequence[Event]]
DAY = 86_400_000_000
NAMES_AN_EVENT = ("patient_id", "time", "known_at", "event_id", "version", "void")


def vector(groups: Iterable[FeatureGroup | Derived], tables: Tables, patient: str, at: int) -> dict[str, float | None]:
    """Evaluate every feature of one patient at one landmark."""
    groups = tuple(groups)
    reductions = {
        name: each for group in groups if isinstance(group, FeatureGroup) for name, each in group.features.items()
    }
    found: dict[str, float | None] = {}
    for name, reduction in reductions.items():
        table = reduction.selection.table
        read = compared([each for each in reductions.values() if each.selection.table == table])
        mine = [told(table, row, tables) for row in tables.get(table, ()) if row["patient_id"] == patient]
        known = history(mine, at, read)
        found[name] = reduced(
            reduction, known, at, lambda days, t=table, k=known: stands(tables, t, k, patient, at, days)
        )
    waiting = {group.name: group for group in groups if isinstance(group, Derived)}
    while waiting:
        ready = next(each for each in waiting.values() if not set(each.inputs) & set(waiting))
        del waiting[ready.name]
        inputs = [np.array([math.nan if found[one] is None else found[one]], float) for one in ready.inputs]
        with np.errstate(all="ignore"):
            value = float(ready.function(*inputs)[0])
        found[ready.name] = value if math.isfinite(value) else None
    return {
        name: found[name]
        for group in groups
        for name in ([group.name] if isinstance(group, Derived) else group.features)
    }


def told(table: str, row: Event, tables: Tables) -> Event:
    """Add what is made of other columns: the hour in Shanghai, the kind of region, what the item was about then."""
    if table == "patients":
        code = row.get("region_code")
        kinds = {"district": range(1, 21), "county": range(21, 81), "city": range(81, 100)}
        of = None if code is None else next((kind for kind, span in kinds.items() if int(code[4:]) in span), None)
        return {**row, "region_kind": of}
    if table != "interactions":
        return row
    time, known = row["time"], row["time"] if row.get("known_at") is None else row["known_at"]
    best: Event = {}
    for item in tables.get("contents", ()):
        if item["content_id"] == row.get("content_id") and known is not None and since(item) <= known:
            best = item if not best or since(item) > since(best) else best
    about = {f"content_{name}": best.get(name) for name in ("topics", "layer", "format")}
    return {**row, **about, "local_hour": None if time is None else (time // (DAY // 24) + 8) % 24}


def since(item: Event) -> float:
    """Return from when a row of an item holds."""
    given = item["published_at"] if item["known_at"] is None else item["known_at"]
    return -math.inf if given is None else given


def compared(reductions: Iterable[Reduction]) -> tuple[str, ...]:
    """Return the columns that are read, in the order in which they decide between rows otherwise equal."""
    read = set(NAMES_AN_EVENT)
    for each in reductions:
        conditions = (*each.selection.conditions, *((each.part,) if each.part else ()))
        read |= {name for name, _ in conditions} | ({each.column} if each.column else set())
        read |= {"code", "code_system"} if each.selection.codes else set()
    read |= {"region_code"} if "region_kind" in read else set()
    return ("void", "time", *sorted(read - {"void", "time"}))


def history(rows: Iterable[Event], at: int, told: tuple[str, ...]) -> list[Event]:
    """Return what was known of a patient: per event the highest version by then, the retracted left out."""
    newest: dict[str, Event] = {}
    for given in rows:
        row = filled(given)
        if row["known_at"] is None or row["known_at"] > at:
            continue
        other = newest.get(row["event_id"])
        if other is None or weight(row, told) > weight(other, told):
            newest[row["event_id"]] = row
    left = [row for row in newest.values() if not row["void"] and row["time"] is not None]
    return sorted(left, key=lambda row: (row["time"], row["event_id"]))


def filled(row: Event) -> Event:
    """Settle what is missing: known when it happened, the first version, not void."""
    known_at = row.get("known_at")
    version, void = row.get("version"), row.get("void")
    return {
        **row,
        "known_at": row["time"] if known_at is None else known_at,
        "version": 1 if version is None else version,
        "void": bool(void),
    }


def weight(row: Event, told: tuple[str, ...]) -> tuple[Any, ...]:
    """Order rows of one event: by version, then when known, then by what they say; null above all, NaN below it."""

    def place(value: Any) -> tuple[Any, ...]:
        if value is None:
            return (2,)
        if isinstance(value, list):
            return (0, "\x1f".join(value))
        return (1,) if value != value else (0, value)

    return (row["version"], row["known_at"], *(place(row.get(name)) for name in told))


def passes(selection: Selection, row: Event) -> bool:
    """Say whether an event has the codes and column values that are asked for; time aside."""
    code, system = row.get("code"), row.get("code_system")
    for any_of in selection.codes:
        if not any(code == one if isinstance(one, str) else one.matches(system or "", code or "") for one in any_of):
            return False
    return all(holds(row.get(name), values) for name, values in selection.conditions)


def holds(value: Any, values: tuple[Any, ...]) -> bool:
    """Say whether a cell holds one of some values; of several words any may."""
    return any(each in values for each in value) if isinstance(value, list) else value is not None and value in values


def inside(selection: Selection, row: Event, at: int) -> bool:
    """Say whether an event lies in (at - W, at], or ahead in (at, at + W]."""
    width = None if selection.days is None else round(selection.days * DAY)
    if selection.ahead:
        return row["time"] > at and (width is None or row["time"] <= at + width)
    return row["time"] <= at and (width is None or row["time"] > at - width)


def reduced(reduction: Reduction, known: list[Event], at: int, zero: Callable[[float | None], bool]) -> float | None:
    """Evaluate one feature over what was known; ``zero(days)`` says whether a zero over that window stands."""
    selection, kind, column = reduction.selection, reduction.kind, reduction.column
    chosen = [row for row in known if passes(selection, row)]
    events = [row for row in chosen if inside(selection, row, at)]
    silent = 0.0 if zero(0 if selection.ahead else selection.days) else None
    if kind == "coverage":
        return covered(reduction, chosen, at, silent)
    if kind in ("count", "exists", "sum", "distinct") and not events:
        return silent
    if kind == "count":
        return float(len(events))
    if kind == "exists":
        return 1.0
    if kind == "share":
        assert reduction.part
        name, values = reduction.part
        part = [row for row in events if holds(row.get(name), values)]
        return len(part) / len(events) if events else None
    if kind == "days_since" and column is None:
        column = "time"
    pairs = [(row["time"], value) for row in events if (value := number(row.get(str(column)))) is not None]
    times, values = [time for time, _ in pairs], [value for _, value in pairs]
    if kind == "distinct":
        return float(len(set(values)))
    if kind == "sum":
        return float(sum(map(Fraction, values)))
    if not values:
        return None
    if kind in ("first", "last"):
        return float(values[0 if kind == "first" else -1])
    if kind in ("min", "max"):
        return float(min(values) if kind == "min" else max(values))
    if kind == "days_since":
        return (at - values[0 if selection.ahead else -1]) / DAY
    mean = sum(map(Fraction, values)) / len(values)
    if kind == "mean":
        return float(mean)
    if kind == "std":
        return (
            math.sqrt(sum((Fraction(v) - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else None
        )
    assert kind == "slope", kind
    days = [Fraction(time, DAY) for time in times]
    centre = sum(days) / len(days)
    spread = sum((day - centre) ** 2 for day in days)
    if not spread:
        return None
    return float(sum((day - centre) * (Fraction(value) - mean) for day, value in zip(days, values)) / spread)


def number(value: Any) -> Any:
    """Return a value that can be reduced: null, NaN and infinity cannot."""
    return None if value is None or (isinstance(value, float) and not math.isfinite(value)) else value


def covered(reduction: Reduction, chosen: list[Event], at: int, silent: float | None) -> float | None:
    """Return the share of (at - W, at] that lies in the union of [time, time + days)."""
    assert reduction.selection.days is not None
    width = round(reduction.selection.days * DAY)
    begin, pieces, events = at - width, [], 0
    for row in chosen:
        if row["time"] > at:
            continue
        days = reduction.supply if reduction.column is None else number(row.get(reduction.column))
        end = row["time"] + (round(days * DAY) if days is not None and days > 0 else 0)
        events += row["time"] > begin or end > begin
        if min(end, at) > max(row["time"], begin):
            pieces.append((max(row["time"], begin), min(end, at)))
    if not events:
        return silent
    total, reached = 0, begin
    for start, end in sorted(pieces):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total / width


def stands(tables: Tables, table: str, known: list[Event], patient: str, at: int, days: float | None) -> bool:
    """Say whether "there was none" can be said of a window: somebody watched all of it.

    Without a table ``observed`` everything was watched; of ``patients`` a record is enough.
    """
    if "observed" not in tables:
        return True
    if table == "patients":
        return any(row["time"] <= at for row in known)
    if days is None:
        return False
    spans = [
        (row["start"], at if row["end"] is None else row["end"])
        for row in tables["observed"]
        if row["patient_id"] == patient and row["table"] == table and row["start"] is not None
    ]
    reached = at + 1
    first = at - round(days * DAY) + 1
    while reached > first:
        touching = [start for start, end in spans if start < reached and end >= reached - 1]
        if not touching:
            return False
        reached = min(touching)
    return any(start <= at <= end for start, end in spans)
