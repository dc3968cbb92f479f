"""What holds of every vector, whatever the hospital and whatever is declared."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.derived import Derived
from features.history import Selection
from features.plan import compile_plan
from tests import oracle
from tests.strategies import OWN, SHARED, START, Deal, Groups, Hospital, Marks, group, hospitals, tables, worlds

ROUNDED = ("sum", "mean", "std", "slope")
"""Reductions that may differ by rounding; every other one is exact."""
QUIET: Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
World = tuple[Groups, Hospital, Marks]


def engine(groups: Groups, hospital: Hospital, marks: Marks) -> np.ndarray:
    """Ask the engine."""
    return compile_plan(groups).vectors(
        tables(hospital), [patient for patient, _ in marks], np.array([at for _, at in marks])
    )


def agrees(found: float, wanted: float | None, exact: bool) -> bool:
    if wanted is None:
        return math.isnan(found)
    return found == wanted if exact else math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-11)


def assert_parity(world: World) -> None:
    """Compare every cell with the oracle's; a derived feature is as exact as what it is made of."""
    groups, hospital, marks = world
    found = engine(groups, hospital, marks)
    exact = {
        name: each.kind not in ROUNDED
        for group in groups
        if not isinstance(group, Derived)
        for name, each in group.features.items()
    }
    for row, (patient, at) in enumerate(marks):
        wanted = oracle.vector(groups, hospital, patient, at)
        assert len(wanted) == found.shape[1]
        for place, (name, value) in enumerate(wanted.items()):
            assert agrees(found[row, place], value, exact.get(name, False)), (
                f"{name} of {patient} at {at}: engine {found[row, place]!r}, oracle {value!r}"
            )


@settings(max_examples=200, **QUIET)
@given(worlds())
def test_the_oracle_agrees_cell_for_cell(world: World) -> None:
    assert_parity(world)


@pytest.mark.slow
@settings(max_examples=1_500, **QUIET)
@given(worlds())
def test_the_oracle_agrees_on_many_more(world: World) -> None:
    assert_parity(world)


ZEROS = (
    group(
        "encounters",
        {
            f"{word}_{place}": getattr(selection, word)()
            for place, selection in enumerate(
                (
                    *(Selection("encounters").within(days=days) for days in (0.25, 1, 3, 7)),
                    Selection("encounters"),
                    Selection("encounters").upcoming(),
                )
            )
            for word in ("count", "days_since")
        },
    ),
)


@settings(max_examples=150, **QUIET)
@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(0, 2))
def test_a_zero_stands_where_the_oracle_says(seed: int, intervals: int, events: int) -> None:
    """Few events and much watching, so that what is asked is the watching."""
    deal = Deal(seed, whole=False)
    observed = deal.watched(("encounters",), intervals)
    assert_parity((ZEROS, {"encounters": deal.rows("encounters", events), "observed": observed}, deal.marks(12)))


@settings(max_examples=50, **QUIET)
@given(worlds(), hospitals(tuple(OWN)))
def test_the_future_changes_nothing(world: World, later: Hospital) -> None:
    """Rows that become known after the last landmark, whenever they happened, change no cell."""
    groups, hospital, marks = world
    last = max(at for _, at in marks)
    more = {name: list(rows) for name, rows in hospital.items()}
    for name, rows in later.items():
        if name != "observed":
            fresh = [{**row, "known_at": max(row["known_at"] or row["time"] or START, last + 1)} for row in rows]
            more[name] = more.get(name, []) + fresh
    assert np.array_equal(engine(groups, more, marks), engine(groups, hospital, marks), equal_nan=True)


@settings(max_examples=50, **QUIET)
@given(worlds(), st.integers(0, 2**32))
def test_the_order_of_rows_changes_nothing(world: World, seed: int) -> None:
    groups, hospital, marks = world
    dealt = random.Random(seed)
    mixed = {name: dealt.sample(rows, len(rows)) for name, rows in hospital.items()}
    assert np.array_equal(engine(groups, mixed, marks), engine(groups, hospital, marks), equal_nan=True)


@settings(max_examples=50, **QUIET)
@given(worlds(), st.integers(0, 2**32))
def test_the_order_and_repetition_of_landmarks_change_nothing(world: World, seed: int) -> None:
    groups, hospital, marks = world
    places = random.Random(seed).choices(range(len(marks)), k=2 * len(marks))
    once = engine(groups, hospital, marks)
    assert np.array_equal(engine(groups, hospital, [marks[at] for at in places]), once[places], equal_nan=True)


@settings(max_examples=40, **QUIET)
@given(worlds())
def test_a_feature_is_the_same_alone_and_among_others(world: World) -> None:
    """But for rows of one event, version and known_at, between which the columns read decide."""
    groups, hospital, marks = world
    named = {
        name: {(r["patient_id"], r["event_id"], r["version"]): r for r in rows}
        for name, rows in hospital.items()
        if name not in SHARED
    }
    shared = {name: rows for name, rows in hospital.items() if name == "contents"}
    found = tables({name: list(rows.values()) for name, rows in named.items()} | shared)
    whole = compile_plan(groups)
    ids, at = [patient for patient, _ in marks], np.array([at for _, at in marks])
    together = whole.vectors(found, ids, at)
    for place, name in enumerate(whole.spec.names):
        alone = compile_plan(groups, [name]).vectors(found, ids, at)
        assert np.array_equal(alone[:, 0], together[:, place], equal_nan=True), name
