"""The closed set of reductions: a small table in, a number out."""

from __future__ import annotations

import math

import pytest

from tests.spec.drawn import ask

GLUCOSE = """
time             | code    | value | context | text
2024-03-01       | 14749-6 | 5.0   | fasting | a
2024-03-03       | 14749-6 |       | fasting | b
2024-03-05       | 14749-6 | 8.0   | 2h      | a
2024-03-07T12:00 | 14749-6 | 11.0  | 2h      |
"""
AT = "2024-03-08"
NOTHING = "time | code | value | context | text"


def test_count_is_the_number_of_events() -> None:
    assert ask(lambda history: history.count(), AT, observations=GLUCOSE) == 4


def test_exists_is_one_or_zero() -> None:
    assert ask(lambda history: history.exists(), AT, observations=GLUCOSE) == 1
    assert ask(lambda history: history.exists(), AT, observations=NOTHING) == 0


def test_sum_adds_what_is_there() -> None:
    assert ask(lambda history: history.sum("value"), AT, observations=GLUCOSE) == 24


def test_sum_of_events_without_a_value_is_zero() -> None:
    only = "time | value\n2024-03-03 | "
    assert ask(lambda history: history.sum("value"), AT, observations=only) == 0


def test_mean() -> None:
    assert ask(lambda history: history.mean("value"), AT, observations=GLUCOSE) == 8


def test_std_is_the_sample_standard_deviation() -> None:
    assert ask(lambda history: history.std("value"), AT, observations=GLUCOSE) == pytest.approx(3)


def test_std_of_one_value_is_null() -> None:
    assert math.isnan(ask(lambda history: history.within(days=1).std("value"), AT, observations=GLUCOSE))


def test_min_and_max() -> None:
    assert ask(lambda history: history.min("value"), AT, observations=GLUCOSE) == 5
    assert ask(lambda history: history.max("value"), AT, observations=GLUCOSE) == 11


def test_first_and_last_are_among_events_that_have_a_value() -> None:
    assert ask(lambda history: history.first("value"), AT, observations=GLUCOSE) == 5
    assert ask(lambda history: history.last("value"), "2024-03-04", observations=GLUCOSE) == 5
    assert ask(lambda history: history.last("value"), AT, observations=GLUCOSE) == 11


def test_ties_in_time_are_broken_by_event_id_as_a_string() -> None:
    tied = """
    time       | event_id | value
    2024-03-01 | r9       | 9.0
    2024-03-01 | r10      | 10.0
    2024-03-01 | r2       | 2.0
    """
    assert ask(lambda history: history.last("value"), AT, observations=tied) == 9
    assert ask(lambda history: history.first("value"), AT, observations=tied) == 10


def test_slope_is_value_per_day_by_least_squares() -> None:
    rising = """
    time             | value
    2024-03-01       | 6.0
    2024-03-02       | 7.0
    2024-03-03T12:00 |
    2024-03-04       | 9.0
    """
    assert ask(lambda history: history.slope("value"), AT, observations=rising) == pytest.approx(1)


def test_slope_is_null_below_two_distinct_times() -> None:
    together = "time | value\n2024-03-01 | 6.0\n2024-03-01 | 7.0"
    assert math.isnan(ask(lambda history: history.slope("value"), AT, observations=together))


def test_days_since_keeps_the_fraction_of_a_day() -> None:
    assert ask(lambda history: history.days_since(), AT, observations=GLUCOSE) == 0.5


def test_days_since_a_column_of_the_latest_event_that_has_it() -> None:
    plans = """
    time       | kind | next_due
    2024-01-01 | a    | 2024-03-01
    2024-02-01 | b    | 2024-03-20
    2024-03-01 | c    |
    """
    assert ask(lambda history: history.days_since("next_due"), AT, care_plans=plans) == -12


def test_distinct_counts_values_and_null_is_none() -> None:
    assert ask(lambda history: history.distinct("text"), AT, observations=GLUCOSE) == 2
    assert ask(lambda history: history.distinct("value"), AT, observations=GLUCOSE) == 3


def test_share_is_the_part_of_the_events_with_that_value() -> None:
    assert ask(lambda history: history.share(context="2h"), AT, observations=GLUCOSE) == 0.5
    assert ask(lambda history: history.share(text=("a", "b")), AT, observations=GLUCOSE) == 0.75


def test_share_of_nothing_is_null() -> None:
    assert math.isnan(ask(lambda history: history.share(context="2h"), AT, observations=NOTHING))


TABLETS = """
time       | code | days_supply
2024-03-01 | C09A | 4
2024-03-03 | C09A | 4
2024-03-09 | C09A | 30
"""


def test_coverage_counts_overlaps_once_and_keeps_gaps() -> None:
    """1 to 7 March is covered, 7 to 9 is not, 9 to 11 is: 8 of the 10 days."""
    share = ask(lambda history: history.within(days=10).coverage("days_supply"), "2024-03-11", prescriptions=TABLETS)
    assert share == pytest.approx(8 / 10)


def test_coverage_counts_supply_that_reaches_into_the_window() -> None:
    """(4 to 8 March]: of the supply begun on the 1st and 3rd, 4 to 7 March lie inside."""
    share = ask(lambda history: history.within(days=4).coverage("days_supply"), "2024-03-08", prescriptions=TABLETS)
    assert share == pytest.approx(3 / 4)


def test_coverage_never_moves_leftover_supply() -> None:
    twice = "time | days_supply\n2024-03-01 | 5\n2024-03-01 | 5"
    share = ask(lambda history: history.within(days=10).coverage("days_supply"), "2024-03-11", prescriptions=twice)
    assert share == pytest.approx(5 / 10)


def test_coverage_by_one_number_for_all() -> None:
    share = ask(lambda history: history.within(days=10).coverage(1), "2024-03-11", prescriptions=TABLETS)
    assert share == pytest.approx(3 / 10)


@pytest.mark.parametrize("kind", ["mean", "std", "min", "max", "first", "last", "slope"])
def test_over_nothing_is_null(kind: str) -> None:
    assert math.isnan(ask(lambda history: getattr(history, kind)("value"), AT, observations=NOTHING))


@pytest.mark.parametrize("kind", ["sum", "distinct"])
def test_over_nothing_is_zero(kind: str) -> None:
    assert ask(lambda history: getattr(history, kind)("value"), AT, observations=NOTHING) == 0
