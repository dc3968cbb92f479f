"""Hospitals and feature groups drawn at random: small, and full of what goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from features.derived import Derived, derived
from features.group import FeatureGroup
from features.history import Reduction, Selection
from features.schema import ARROW, TABLES, table
from tests.oracle import DAY, NAMES_AN_EVENT, Event

START = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z."""
PATIENTS = ("a", "é")
Groups = tuple[FeatureGroup | Derived, ...]
Hospital = dict[str, list[Event]]
Marks = list[tuple[str, int]]
OWN: dict[str, dict[str, Any]] = {
    "patients": {"birth_date": "instant", "sex": ("female", "male", None), "deceased_at": "instant"},
    "observations": {
        "code": ("X1", "X10", "Y1", None),
        "code_system": ("ONE", "TWO", None),
        "value": (0.0, 1.0, -2.5, 7.25, 0.1, 40.0, float("nan"), float("inf"), None),
        "context": ("fasting", "2h", None),
    },
    "encounters": {
        "kind": ("outpatient", "online"),
        "status": ("finished", "planned", "cancelled", None),
        "end": "instant",
        "fee": (10.0, 0.3, 99.5, None),
    },
    "prescriptions": {
        "code": ("X1", "Y1"),
        "code_system": ("ONE",),
        "days_supply": (1.0, 2.5, 7.0, 30.0, 0.0, -3.0, None),
    },
    "care_plans": {"kind": ("diabetes", None), "next_due": "instant"},
    "impressions": {"slot": (1, 2, 3, None), "clicked": (True, False, None), "content_id": ("c1", "c2", None)},
}


@dataclass(frozen=True)
class Family:
    """A codelist of one system, by prefix."""

    name: str
    system: str
    prefix: str
    zh: str = "族"
    en: str = "family"
    unit: str = ""
    digest: str = "0"

    def matches(self, system: str, code: str) -> bool:
        return system == self.system and code.startswith(self.prefix)


CODES = (Family("one", "ONE", "X"), Family("two", "TWO", ""), "X1", "Y1", "Z9")

grid = st.integers(-40, 40).map(lambda step: START + step * DAY // 4)
instants = st.builds(lambda at, off: at + off, grid, st.sampled_from((0, 0, 0, -1, 1, 12_345_678_901)))
lags = st.sampled_from((None, 0, 0, DAY // 4, DAY, 3 * DAY, -DAY, -5 * DAY, 1))


def events(name: str, moments: st.SearchStrategy[int] = instants) -> st.SearchStrategy[Event]:
    """Draw one event of a table: of few patients and few event_ids, so that versions meet."""
    own = {
        column: st.one_of(st.none(), moments) if values == "instant" else st.sampled_from(values)
        for column, values in OWN[name].items()
    }
    event = {
        "patient_id": st.sampled_from(PATIENTS),
        "time": st.one_of(moments, moments, moments, st.none()) if moments is instants else moments,
        "event_id": st.sampled_from(("e1", "e10", "e2", "e3", "é", "e4")),
        "version": st.sampled_from((1, 1, 1, 2, 3, None)),
        "void": st.sampled_from((False, False, False, None, True)),
        "lag": lags if moments is instants else lags.filter(lambda lag: lag != 1),
        **own,
    }
    return st.fixed_dictionaries(event).map(_dated)


def _dated(event: Event) -> Event:
    lag = event.pop("lag")
    known = None if lag is None else (START if event["time"] is None else event["time"]) + lag
    return {**event, "known_at": known}


@st.composite
def watched(draw: st.DrawFn, names: Sequence[str]) -> Event:
    """Draw one interval of ``observed``; open ends, touching and empty intervals among them."""
    start = draw(grid)
    end = draw(st.sampled_from((None, -DAY, 0, DAY // 4 - 1, DAY // 4, 5 * DAY, 20 * DAY)))
    name = draw(st.sampled_from(names))
    patient = draw(st.sampled_from(PATIENTS))
    begin = draw(st.sampled_from((start, start, start, None)))
    return {"patient_id": patient, "table": name, "start": begin, "end": None if end is None else start + end}


@st.composite
def hospitals(draw: st.DrawFn, names: Sequence[str], moments: st.SearchStrategy[int] = instants) -> Hospital:
    """Draw tables of these names; some rows twice, ``observed`` only at times."""
    found: Hospital = {}
    for name in names:
        rows = draw(st.lists(events(name, moments), min_size=draw(st.sampled_from((0, 6, 20))), max_size=24))
        found[name] = rows + rows[: draw(st.integers(0, 2))]
    if draw(st.booleans()):
        found["observed"] = draw(st.lists(watched(names), max_size=8))
    return found


@st.composite
def selections(draw: st.DrawFn, name: str) -> Selection:
    """Draw filters, window and direction."""
    selection = Selection(name)
    if "code" in OWN[name] and draw(st.booleans()):
        selection = selection.coded(*draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=2)))
    plain = [column for column, values in OWN[name].items() if values != "instant" and column != "value"]
    if plain and draw(st.booleans()):
        column = draw(st.sampled_from(plain))
        values = [value for value in OWN[name][column] if value is not None]
        selection = selection.where(**{column: tuple(draw(st.lists(st.sampled_from(values), min_size=1, max_size=2)))})
    if draw(st.booleans()):
        selection = selection.within(days=draw(st.sampled_from((0.25, 1, 1.5, 7, 30, 400))))
    return selection.upcoming() if draw(st.integers(0, 3)) == 0 else selection


@st.composite
def reductions(draw: st.DrawFn, name: str) -> Reduction:
    """Draw one feature of a table: any reduction that its columns allow."""
    selection = draw(selections(name))
    kinds = {column: table(name).column(column).kind for column in OWN[name]}
    numeric = [column for column, kind in kinds.items() if kind in ("float", "int", "bool")]
    dated = [column for column, kind in kinds.items() if kind == "instant"]
    words = [column for column, values in OWN[name].items() if values != "instant" and kinds[column] != "float"]
    made = ["count", "exists", "since", "distinct"] + ["share"] * bool(words) + ["dated"] * bool(dated)
    if numeric:
        made += ["sum", "mean", "std", "min", "max", "first", "last", "slope"]
    if selection.days is not None and not selection.ahead:
        made += ["supply"] + ["coverage"] * bool(numeric)
    kind = draw(st.sampled_from(made))
    if kind in ("count", "exists"):
        return getattr(selection, kind)()
    if kind == "since":
        return selection.days_since()
    if kind == "dated":
        return selection.days_since(draw(st.sampled_from(dated)))
    if kind == "distinct":
        return selection.distinct(draw(st.sampled_from(tuple(kinds))))
    if kind == "supply":
        return selection.coverage(draw(st.sampled_from((0.5, 3))))
    if kind == "share":
        column = draw(st.sampled_from(words))
        return selection.share(**{column: draw(st.sampled_from([v for v in OWN[name][column] if v is not None]))})
    return getattr(selection, kind)(draw(st.sampled_from(numeric)))


@derived
def ratio(f0: np.ndarray, f1: np.ndarray) -> np.ndarray:
    """One by the other."""
    return f0 / f1


@derived
def nearer(ratio: np.ndarray, f0: np.ndarray) -> np.ndarray:
    """A derived feature of a derived feature."""
    return np.fmin(ratio, f0)


@st.composite
def catalogues(draw: st.DrawFn, names: Sequence[str]) -> Groups:
    """Draw a group over each table, and two derived features of their first features."""
    groups: list[FeatureGroup | Derived] = []
    number = 0
    for name in names:
        found = draw(st.lists(reductions(name), min_size=3, max_size=8))
        groups.append(group(name, {f"f{number + at}": each for at, each in enumerate(found)}))
        number += len(found)
    return (*groups, nearer, ratio)


@st.composite
def worlds(draw: st.DrawFn, moments: st.SearchStrategy[int] = instants) -> tuple[Groups, Hospital, Marks]:
    """Draw groups, a hospital that may lack one of their tables, and landmarks in any order."""
    names = draw(st.lists(st.sampled_from(tuple(OWN)), min_size=1, max_size=3, unique=True))
    present = names[draw(st.sampled_from((0, 0, 0, 1))) :]
    marks = st.lists(st.tuples(st.sampled_from((*PATIENTS, "nobody")), moments), min_size=2, max_size=8)
    return draw(catalogues(names)), draw(hospitals(present, moments) if present else st.just({})), draw(marks)


def group(source: str, features: dict[str, Reduction]) -> FeatureGroup:
    """Return a group that carries nothing but features."""
    return FeatureGroup(f"of_{source}", source, ("care_followup",), "a test", "visits", features)


def arrow(name: str, rows: Sequence[Event]) -> pa.Table:
    """Return events as a canonical table."""
    given = TABLES[name].names if name == "observed" else (*NAMES_AN_EVENT, *OWN[name])
    kinds = {column: ARROW[table(name).column(column).kind] for column in given}
    return pa.table({column: pa.array([row[column] for row in rows], kind) for column, kind in kinds.items()})
