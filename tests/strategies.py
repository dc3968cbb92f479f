"""Hospitals and feature groups drawn at random: small, and full of what goes wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from features.canonical import canonical
from features.derived import Derived, derived
from features.group import FeatureGroup
from features.history import Reduction, Selection
from features.made import CONTENT, Items
from features.schema import ARROW, TABLES, table
from tests.oracle import DAY, NAMES_AN_EVENT, Event

START = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z."""
PATIENTS = ("a", "é")
Groups = tuple[FeatureGroup | Derived, ...]
Hospital = dict[str, list[Event]]
Marks = list[tuple[str, int]]
OWN: dict[str, dict[str, Any]] = {
    "patients": {
        "birth_date": "instant",
        "sex": ("female", "male", None),
        "deceased_at": "instant",
        "region_code": ("110105", "320281", "130121", "110000", None),
    },
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
    "interactions": {
        "action": ("view", "login", None),
        "content_id": ("c1", "c2", "c3", None),
        "dwell_s": (1.0, 30.5, None),
    },
    "impressions": {"slot": (1, 2, 3, None), "clicked": (True, False, None), "content_id": ("c1", "c2", None)},
}

FURTHER: dict[str, dict[str, tuple[Any, ...]]] = {
    "patients": {"region_kind": ("district", "county", "city")},
    "interactions": {
        "local_hour": (2, 8, 14, 20),
        "content_topics": ("diet", "heart", "sleep"),
        "content_layer": ("basic", "advanced"),
        "content_format": ("article", "comic"),
    },
}
"""Columns that are made of others, and values to ask for."""
SHARED = ("observed", "contents")
"""Tables that hold no events."""


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

OFF = (0, 0, 0, 0, -1, 1, 12_345_678_901)
"""Microseconds by which an instant misses the grid of quarter days."""
LAGS = (None, 0, 0, DAY // 4, DAY, 3 * DAY, -DAY, -3 * DAY, 1)
IDS = ("e1", "e10", "e100", "e2", "e3", "é", "e4", "e5", "e6")


class Deal:
    """Rows by number: the same seed and number give the same row, so that fewer rows are a simpler case.

    ``whole`` keeps every instant on the grid and every row dated.
    """

    def __init__(self, seed: int, whole: bool) -> None:
        self.seed, self.whole = seed, whole

    def rows(self, name: str, size: int) -> list[Event]:
        """Return events of a table: of few patients and few event_ids, so that versions meet."""
        return [self._event(name, random.Random(f"{self.seed} {name} {at}")) for at in range(size)]

    def marks(self, size: int) -> Marks:
        """Return landmarks, among them of a patient without events."""
        dealt = random.Random(f"{self.seed} landmarks")
        return [(dealt.choice((*PATIENTS, *PATIENTS, "nobody")), self._instant(dealt)) for _ in range(size)]

    def watched(self, names: Sequence[str], size: int) -> list[Event]:
        """Return intervals of ``observed``: open, empty, overlapping, touching and just apart."""
        found = []
        for at in range(size):
            dealt = random.Random(f"{self.seed} observed {at}")
            start = START + dealt.randint(-30, 10) * DAY // 4 + dealt.choice((0, 1))
            end = dealt.choice((None, start - DAY, start, start + DAY, start + 5 * DAY, start + 12 * DAY))
            named = {"patient_id": dealt.choice(PATIENTS), "table": dealt.choice((*names, "patients"))}
            found.append({**named, "start": dealt.choice((start, start, start, None)), "end": end})
            if end is not None and dealt.random() < 0.7:
                found.append({**named, "start": end + dealt.choice((0, 1, 2)), "end": end + 4 * DAY})
        return found

    def items(self, size: int) -> list[Event]:
        """Return rows of ``contents``: few items, that change and are corrected; no two rows hold from one instant."""
        found: dict[tuple[Any, Any], Event] = {}
        for at in range(size):
            dealt = random.Random(f"{self.seed} contents {at}")
            published, known = dealt.choice((None, self._instant(dealt))), dealt.choice((None, self._instant(dealt)))
            row = {
                "content_id": dealt.choice(("c1", "c2", "c4")),
                "topics": dealt.choice((["diet"], ["heart", "diet"], [], None, ["sleep"])),
                "layer": dealt.choice(("basic", "advanced", None)),
                "format": dealt.choice(("article", "comic")),
                "published_at": published,
                "known_at": known,
                "time": None,
            }
            found[(row["content_id"], published if known is None else known)] = row
        return list(found.values())

    def _instant(self, dealt: random.Random) -> int:
        return START + dealt.randint(-12, 12) * DAY // 4 + (0 if self.whole else dealt.choice(OFF))

    def _event(self, name: str, dealt: random.Random) -> Event:
        time = None if not self.whole and dealt.random() < 0.07 else self._instant(dealt)
        lag = dealt.choice(LAGS[:-1] if self.whole else LAGS)
        own = {
            column: dealt.choice((None, self._instant(dealt))) if values == "instant" else dealt.choice(values)
            for column, values in OWN[name].items()
        }
        return {
            "patient_id": dealt.choice(PATIENTS),
            "time": time,
            "known_at": None if lag is None else (START if time is None else time) + lag,
            "event_id": dealt.choice(IDS),
            "version": dealt.choice((1, 1, 1, 2, 3, None)),
            "void": dealt.choice((False, False, False, False, None, True)),
            **own,
        }


@st.composite
def hospitals(draw: st.DrawFn, names: Sequence[str], whole: bool = False) -> Hospital:
    """Draw tables of these names; some rows twice, ``observed`` only at times."""
    deal = Deal(draw(st.integers(0, 2**32)), whole)
    found = {name: deal.rows(name, draw(st.integers(0, 40))) for name in names}
    for rows in found.values():
        rows += rows[: draw(st.integers(0, 2))]
    if "interactions" in names and draw(st.sampled_from((True, True, False))):
        found["contents"] = deal.items(draw(st.integers(0, 8)))
    if draw(st.booleans()):
        found["observed"] = deal.watched(names, draw(st.integers(0, 10)))
    return found


@st.composite
def selections(draw: st.DrawFn, name: str) -> Selection:
    """Draw filters, window and direction."""
    selection = Selection(name)
    if "code" in OWN[name] and draw(st.booleans()):
        selection = selection.coded(*draw(st.lists(st.sampled_from(CODES), min_size=1, max_size=2)))
    asked = {**OWN[name], **FURTHER.get(name, {})}
    plain = [column for column, values in asked.items() if values != "instant" and column not in ("value", "dwell_s")]
    if plain and draw(st.booleans()):
        column = draw(st.sampled_from(plain))
        values = [value for value in asked[column] if value is not None]
        selection = selection.where(**{column: tuple(draw(st.lists(st.sampled_from(values), min_size=1, max_size=2)))})
    if draw(st.booleans()):
        selection = selection.within(days=draw(st.sampled_from((0.25, 1, 1.5, 3, 7, 400))))
    return selection.upcoming() if draw(st.sampled_from((False, False, False, True))) else selection


@st.composite
def reductions(draw: st.DrawFn, name: str) -> Reduction:
    """Draw one feature of a table: any reduction that its columns allow."""
    selection = draw(selections(name))
    asked = {**OWN[name], **FURTHER.get(name, {})}
    kinds = {column: table(name).column(column).kind for column in asked}
    numeric = [column for column, kind in kinds.items() if kind in ("float", "int", "bool")]
    dated = [column for column, kind in kinds.items() if kind == "instant"]
    words = [column for column, values in asked.items() if values != "instant" and kinds[column] != "float"]
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
        return selection.distinct(draw(st.sampled_from([each for each, kind in kinds.items() if kind != "strings"])))
    if kind == "supply":
        return selection.coverage(draw(st.sampled_from((0.5, 3))))
    if kind == "share":
        column = draw(st.sampled_from(words))
        return selection.share(**{column: draw(st.sampled_from([v for v in asked[column] if v is not None]))})
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
        found = draw(st.lists(reductions(name), min_size=4, max_size=10))
        groups.append(group(name, {f"f{number + at}": each for at, each in enumerate(found)}))
        number += len(found)
    return (*groups, nearer, ratio)


@st.composite
def worlds(draw: st.DrawFn, whole: bool = False) -> tuple[Groups, Hospital, Marks]:
    """Draw groups, a hospital that may lack one of their tables, and landmarks in any order."""
    names = draw(st.lists(st.sampled_from(tuple(OWN)), min_size=1, max_size=3, unique=True))
    present = names[draw(st.sampled_from((0, 0, 0, 1))) :]
    marks = Deal(draw(st.integers(0, 2**32)), whole).marks(draw(st.integers(1, 10)))
    return draw(catalogues(names)), draw(hospitals(present, whole)), marks


def group(source: str, features: dict[str, Reduction]) -> FeatureGroup:
    """Return a group that carries nothing but features."""
    return FeatureGroup(f"of_{source}", source, ("care_followup",), "a test", "visits", features)


def arrow(name: str, rows: Sequence[Event]) -> pa.Table:
    """Return rows as a canonical table."""
    given = (
        TABLES[name].names if name == "observed" else CONTENT if name == "contents" else (*NAMES_AN_EVENT, *OWN[name])
    )
    kinds = {column: ARROW[table(name).column(column).kind] for column in given}
    return pa.table({column: pa.array([row[column] for row in rows], kind) for column, kind in kinds.items()})


def tables(hospital: Hospital) -> dict[str, pa.Table]:
    """Return a hospital's tables as a lake reads them, interactions with what was known of their items."""
    found = {name: arrow(name, rows) for name, rows in hospital.items()}
    items = found.pop("contents", None)
    if items is not None and "interactions" in found:
        found["interactions"] = Items(items).told(canonical(found["interactions"], "interactions"))
    return found
