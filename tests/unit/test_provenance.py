"""The event behind a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from features.behind import Behind
from features.derived import derived
from features.group import FeatureGroup
from features.history import Reduction, Selection
from features.plan import Plan, compile_plan
from serving.chart import Chart
from tests.spec.drawn import drawn, instant

AT = instant("2024-03-08")
RESULTS = """
event_id | version | time       | known_at   | source | value
r1       | 1       | 2024-02-01 | 2024-02-02 | lis    | 5.0
r2       | 1       | 2024-02-20 | 2024-02-20 | lis    | 4.0
r3       | 1       | 2024-03-01 | 2024-03-01 | device | 9.0
r3       | 2       | 2024-03-01 | 2024-03-04 | lis    | 7.0
r4       | 1       | 2024-03-05 | 2024-03-05 | lis    |
r5       | 1       | 2024-03-06 | 2024-03-09 | lis    | 1.0
r6       | 1       | 2024-03-20 | 2024-03-01 | booked | 2.0
r7       | 1       | 2024-03-25 | 2024-03-01 | booked | 3.0
"""
HISTORY = Selection("observations")


@derived
def rise(newest: np.ndarray, oldest: np.ndarray) -> np.ndarray:
    """The last less the first."""
    return newest - oldest


def provenance(
    plan: Plan, tables: Mapping[str, pa.Table], patient_id: str, at: int, names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the event behind each value."""
    return Chart.of(Behind(plan), tables, patient_id).origins(at, names)


def behind(at: int = AT, **features: Reduction) -> dict[str, Any]:
    """Return the origin of each feature."""
    declared: list[Any] = [FeatureGroup("g", "observations", ("care_followup",), "a test", "glucose", features)]
    declared += [rise] if "newest" in features else []
    plan = compile_plan(declared)
    tables: dict[str, pa.Table] = {"observations": drawn("observations", RESULTS)}
    return provenance(plan, tables, "p", at, plan.spec.names)


def test_the_event_that_holds_the_value() -> None:
    found = behind(
        first=HISTORY.first("value"), last=HISTORY.last("value"), least=HISTORY.min("value"), most=HISTORY.max("value")
    )
    assert {name: each["event_id"] for name, each in found.items()} == {
        "first": "r1",
        "last": "r3",
        "least": "r2",
        "most": "r3",
    }


def test_the_version_known_at_the_landmark_speaks() -> None:
    last = {"last": HISTORY.last("value")}
    now, before = behind(**last)["last"], behind(instant("2024-03-03"), **last)["last"]
    assert now == {
        "event_id": "r3",
        "time": "2024-03-01T00:00:00+00:00",
        "known_at": "2024-03-04T00:00:00+00:00",
        "source": "lis",
        "n": 4,
    }
    assert (before["source"], before["known_at"]) == ("device", "2024-03-01T00:00:00+00:00")


def test_of_everything_else_the_latest_event_in_the_window() -> None:
    found = behind(many=HISTORY.count(), mean=HISTORY.mean("value"), recent=HISTORY.within(days=30).sum("value"))
    assert {name: (each["event_id"], each["n"]) for name, each in found.items()} == {
        "many": ("r4", 4),
        "mean": ("r4", 4),
        "recent": ("r4", 3),
    }


def test_ahead_the_nearest_booking() -> None:
    found = behind(next=HISTORY.upcoming().days_since(), soon=HISTORY.upcoming().within(days=12).count())
    assert (found["next"]["event_id"], found["next"]["n"]) == ("r6", 2)
    assert (found["soon"]["event_id"], found["soon"]["n"]) == ("r6", 1)


def test_a_derived_feature_stands_on_the_latest_of_its_inputs() -> None:
    found = behind(newest=HISTORY.last("value"), oldest=HISTORY.first("value"))
    assert (found["rise"]["event_id"], found["rise"]["n"]) == ("r3", 8)


def test_what_no_event_stands_behind_is_left_out() -> None:
    assert behind(none=HISTORY.where(context="fasting").count(), some=HISTORY.count()).keys() == {"some"}


def test_the_edge_of_a_window_is_that_of_the_value() -> None:
    """(at - 3 days, at] holds r4 of 5 March only when the landmark is a moment earlier."""
    three = {"n": HISTORY.within(days=3).count()}
    assert behind(AT, **three) == {}
    assert behind(AT - 1, **three)["n"]["event_id"] == "r4"


def test_a_coverage_stands_on_supply_that_reaches_in() -> None:
    supplied = "event_id | time | days_supply\nx | 2024-01-01 | 30\ny | 2024-02-01 | 40\nz | 2024-02-02 | 3"
    week = Selection("prescriptions").within(days=7).coverage("days_supply")
    plan = compile_plan([FeatureGroup("g", "prescriptions", ("care_followup",), "a test", "adherence", {"it": week})])
    found = provenance(plan, {"prescriptions": drawn("prescriptions", supplied)}, "p", AT, ("it",))
    assert (found["it"]["event_id"], found["it"]["n"]) == ("y", 1)


def test_a_chart_gives_the_vector_and_the_events_behind_some_of_it() -> None:
    """One preparation of the rows serves both, and says what each alone would say."""
    features = {"newest": HISTORY.last("value"), "oldest": HISTORY.first("value"), "many": HISTORY.count()}
    plan = compile_plan([FeatureGroup("g", "observations", ("care_followup",), "a test", "glucose", features), rise])
    tables = {"observations": drawn("observations", RESULTS)}
    asked = Chart.of(Behind(plan), tables, "p")
    for at in (AT, instant("2024-02-15")):
        assert asked.vector(at).tobytes() == plan.vectors(tables, ["p"], np.array([at]))[0].tobytes()
        whole = provenance(plan, tables, "p", at, plan.spec.names)
        assert asked.origins(at, plan.spec.names) == whole
        assert asked.origins(at, ("rise",)) == {"rise": whole["rise"]}


def test_other_patients_in_the_table_do_not_shift_the_event() -> None:
    """Most rows are of others: the event named is still this patient's."""
    lines = "\n".join(f"q | x{at} | 2024-02-0{at} | 1.0" for at in range(1, 9))
    rows = drawn("observations", f"patient_id | event_id | time | value\n{lines}\np | mine | 2024-02-09 | 3.0")
    plan = compile_plan(
        [FeatureGroup("g", "observations", ("care_followup",), "a test", "glucose", {"it": HISTORY.last("value")})]
    )
    assert provenance(plan, {"observations": rows}, "p", AT, ("it",))["it"]["event_id"] == "mine"
