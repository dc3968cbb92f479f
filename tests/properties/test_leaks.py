"""A planted leak is caught: what was written later is unseen, and would be seen by a careless cut.

Every case is asked twice. The engine, reading the table as it is, must answer with what was known
at the landmark. The same engine, reading the table as a careless cut would have it (on ``time``, or
on the latest version), must answer with the leaked value: so the case can tell the two apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from features.group import FeatureGroup
from features.history import Reduction, Selection
from features.plan import compile_plan
from tests.spec.drawn import drawn, instant


@dataclass(frozen=True)
class Leak:
    """A table with something written later, and a feature that a careless cut gives away.

    ``truth`` was known on 5 March, ``leaked`` is what only the future says, and is right on 1 April.
    """

    name: str
    table: str
    rows: str
    feature: Callable[[Selection], Reduction]
    truth: float
    leaked: float
    cuts: tuple[str, ...]


LEAKS = (
    Leak(
        "a cancellation written back late",
        "encounters",
        """
        event_id | version | time       | known_at   | status
        v        | 1       | 2024-03-03 | 2024-02-20 | finished
        v        | 2       | 2024-03-03 | 2024-03-10 | cancelled
        """,
        lambda history: history.where(status="cancelled").count(),
        0,
        1,
        ("time", "latest version"),
    ),
    Leak(
        "a result released days after its collection",
        "observations",
        """
        event_id | version | time       | known_at   | code   | value
        before   | 1       | 2024-01-09 | 2024-01-09 | 4548-4 | 6.0
        late     | 1       | 2024-03-04 | 2024-03-06 | 4548-4 | 9.0
        """,
        lambda history: history.coded("4548-4").last("value"),
        6.0,
        9.0,
        ("time",),
    ),
    Leak(
        "a diagnosis back-dated to the admission",
        "diagnoses",
        """
        event_id | version | time       | known_at   | code_system | code
        d        | 1       | 2024-03-01 | 2024-03-08 | ICD-10      | E11.9
        """,
        lambda history: history.coded("E11.9").exists(),
        0,
        1,
        ("time",),
    ),
    Leak(
        "a correction",
        "observations",
        """
        event_id | version | time       | known_at   | code   | value
        r        | 1       | 2024-03-01 | 2024-03-01 | 4548-4 | 16.0
        r        | 2       | 2024-03-01 | 2024-03-10 | 4548-4 | 6.1
        """,
        lambda history: history.coded("4548-4").max("value"),
        16.0,
        6.1,
        ("time", "latest version"),
    ),
    Leak(
        "a retraction",
        "diagnoses",
        """
        event_id | version | time       | known_at   | void | code_system | code
        d        | 1       | 2024-03-01 | 2024-03-01 |      | ICD-10      | E11.9
        d        | 2       | 2024-03-01 | 2024-03-10 | true | ICD-10      | E11.9
        """,
        lambda history: history.coded("E11.9").days_since(),
        4.0,
        math.nan,
        ("time", "latest version"),
    ),
)


def cut_on_time(rows: pa.Table) -> pa.Table:
    """What a cut on ``time`` sees: everything is known the moment it happened."""
    return rows.set_column(rows.column_names.index("known_at"), "known_at", rows["time"])


def cut_on_latest(rows: pa.Table) -> pa.Table:
    """What is left where only the latest version is kept: as known since the first."""
    listed = rows.to_pylist()
    newest = {row["event_id"]: row for row in sorted(listed, key=lambda row: row["version"])}
    first = {row["event_id"]: row["known_at"] for row in sorted(listed, key=lambda row: -row["version"])}
    return pa.Table.from_pylist([{**row, "known_at": first[name]} for name, row in newest.items()], rows.schema)


CUTS = {"time": cut_on_time, "latest version": cut_on_latest}


def value(leak: Leak, rows: pa.Table, at: str = "2024-03-05") -> float:
    feature = {"it": leak.feature(Selection(leak.table))}
    plan = compile_plan([FeatureGroup("leak", leak.table, ("care_followup",), "a test", "visits", feature)])
    return float(plan.vectors({leak.table: rows}, ["p"], np.array([instant(at)]))[0, 0])


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.name)
def test_the_engine_sees_what_was_known(leak: Leak) -> None:
    rows = drawn(leak.table, leak.rows)
    assert value(leak, rows) == pytest.approx(leak.truth)
    assert value(leak, rows, "2024-04-01") == pytest.approx(leak.leaked, nan_ok=True)


@pytest.mark.parametrize(
    ("leak", "cut"), [(leak, cut) for leak in LEAKS for cut in leak.cuts], ids=lambda it: getattr(it, "name", it)
)
def test_a_careless_cut_gives_the_leak(leak: Leak, cut: str) -> None:
    leaking = value(leak, CUTS[cut](drawn(leak.table, leak.rows)))
    assert leaking == pytest.approx(leak.leaked, nan_ok=True)
    assert leaking != pytest.approx(leak.truth)
