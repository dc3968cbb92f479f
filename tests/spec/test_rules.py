"""The rules of time, versions, filters and nulls: a small table in, a number out."""

from __future__ import annotations

import math

import pytest

from features.codes import codelist
from tests.spec.drawn import ask

VISITS = """
time             | status    | kind
2024-03-01       | finished  | outpatient
2024-03-01T00:01 | finished  | online
2024-03-05       | cancelled | outpatient
2024-03-08       | finished  | outpatient
2024-03-09       | planned   | outpatient
"""


def test_a_window_leaves_out_its_begin_and_keeps_its_end() -> None:
    """(1 March 00:00, 8 March 00:00]."""
    assert ask(lambda history: history.within(days=7).count(), "2024-03-08", encounters=VISITS) == 3


def test_the_narrower_of_two_windows_holds() -> None:
    assert ask(lambda history: history.within(days=1).within(days=7).count(), "2024-03-08", encounters=VISITS) == 1


def test_what_happens_later_is_unseen_unless_it_is_booked_and_asked_for() -> None:
    booked = """
    time       | known_at   | status
    2024-03-09 | 2024-03-01 | planned
    2024-03-20 | 2024-03-01 | planned
    2024-03-10 | 2024-03-10 | planned
    """
    assert ask(lambda history: history.count(), "2024-03-08", encounters=booked) == 0
    assert ask(lambda history: history.upcoming().count(), "2024-03-08", encounters=booked) == 2
    assert ask(lambda history: history.upcoming().within(days=1).count(), "2024-03-08", encounters=booked) == 1
    assert ask(lambda history: history.upcoming().days_since(), "2024-03-08", encounters=booked) == -1


def test_ahead_too_the_first_is_the_earliest_and_the_last_the_latest() -> None:
    booked = """
    time       | known_at   | fee
    2024-03-09 | 2024-03-01 | 1
    2024-03-10 | 2024-03-01 | 2
    2024-03-20 | 2024-03-01 | 3
    """
    assert ask(lambda history: history.upcoming().first("fee"), "2024-03-08", encounters=booked) == 1
    assert ask(lambda history: history.upcoming().last("fee"), "2024-03-08", encounters=booked) == 3
    assert ask(lambda history: history.upcoming().within(days=5).last("fee"), "2024-03-08", encounters=booked) == 2


def test_an_event_is_unseen_before_it_is_known() -> None:
    late = "time | known_at | value\n2024-03-01 | 2024-03-04 | 9.9"
    assert math.isnan(ask(lambda history: history.last("value"), "2024-03-03", observations=late))
    assert ask(lambda history: history.last("value"), "2024-03-04", observations=late) == 9.9


VERSIONS = """
event_id | version | time       | known_at   | void  | value
r        | 1       | 2024-03-01 | 2024-03-01 |       | 9.0
r        | 2       | 2024-03-01 | 2024-03-05 |       | 6.0
r        | 3       | 2024-03-01 | 2024-03-09 | true  | 6.0
"""


@pytest.mark.parametrize(("at", "value"), [("2024-03-04", 9.0), ("2024-03-05", 6.0), ("2024-03-09", math.nan)])
def test_the_highest_version_known_by_then_counts(at: str, value: float) -> None:
    assert ask(lambda h: h.last("value"), at, observations=VERSIONS) == pytest.approx(value, nan_ok=True)


def test_a_version_that_moves_an_event_leaves_nothing_behind() -> None:
    moved = """
    event_id | version | time       | known_at   | status
    v        | 1       | 2024-03-01 | 2024-02-20 | planned
    v        | 2       | 2024-03-20 | 2024-02-28 | planned
    """
    assert ask(lambda history: history.count(), "2024-03-02", encounters=moved) == 0


def test_an_older_version_that_arrives_last_changes_nothing() -> None:
    crossed = """
    event_id | version | time       | known_at   | value
    r        | 2       | 2024-03-01 | 2024-03-02 | 6.0
    r        | 1       | 2024-03-01 | 2024-03-05 | 9.0
    """
    assert ask(lambda history: history.last("value"), "2024-03-08", observations=crossed) == 6


def test_a_retraction_need_not_repeat_the_time() -> None:
    retracted = """
    event_id | version | time       | known_at   | void
    v        | 1       | 2024-03-01 | 2024-03-01 |
    v        | 2       |            | 2024-03-05 | true
    """
    assert ask(lambda history: history.count(), "2024-03-04", encounters=retracted) == 1
    assert ask(lambda history: history.count(), "2024-03-06", encounters=retracted) == 0


def test_where_keeps_a_value_or_one_of_several() -> None:
    assert ask(lambda history: history.where(status="finished").count(), "2024-03-10", encounters=VISITS) == 3
    several = ask(lambda h: h.where(status=("finished", "planned")).count(), "2024-03-10", encounters=VISITS)
    assert several == 4
    both = ask(lambda h: h.where(status="finished", kind="online").count(), "2024-03-10", encounters=VISITS)
    assert both == 1


CODED = """
time       | code_system | code
2024-03-01 | ICD-10      | E11.900x001
2024-03-02 | ICD-10-CM   | E11.9
2024-03-03 | ICD-10      | I10
2024-03-04 | LOCAL       | I10
2024-03-05 |             |
"""


def test_coded_by_a_codelist_follows_its_systems_and_prefixes() -> None:
    assert ask(lambda history: history.coded(codelist("diabetes")).count(), "2024-03-10", diagnoses=CODED) == 2


def test_coded_by_plain_strings_matches_the_code_in_any_system() -> None:
    assert ask(lambda history: history.coded("I10").count(), "2024-03-10", diagnoses=CODED) == 2
    assert ask(lambda history: history.coded("I10", "E11.9").count(), "2024-03-10", diagnoses=CODED) == 3


WATCHED = """
table      | start      | end
encounters | 2024-03-01 | 2024-03-04
encounters | 2024-03-04 |
"""
ELSEWHERE = "time | patient_id | status\n2024-03-01 | q | finished"


def test_a_zero_stands_where_the_window_was_watched() -> None:
    assert ask(lambda h: h.within(days=7).count(), "2024-03-08", encounters=ELSEWHERE, observed=WATCHED) == 0


def test_a_zero_does_not_stand_where_the_watch_began_later_or_broke_off() -> None:
    assert math.isnan(ask(lambda h: h.within(days=8).count(), "2024-03-08", encounters=ELSEWHERE, observed=WATCHED))
    broken = "table | start | end\nencounters | 2024-03-01 | 2024-03-04\nencounters | 2024-03-05 |"
    assert math.isnan(ask(lambda h: h.within(days=7).count(), "2024-03-08", encounters=ELSEWHERE, observed=broken))


def test_a_zero_of_the_whole_history_stands_only_where_nothing_is_said_of_watching() -> None:
    assert math.isnan(ask(lambda h: h.count(), "2024-03-08", encounters=ELSEWHERE, observed=WATCHED))
    assert ask(lambda h: h.count(), "2024-03-08", encounters=ELSEWHERE) == 0


def test_a_count_above_zero_always_stands() -> None:
    nobody = "table | start | end"
    assert ask(lambda h: h.count(), "2024-03-10", encounters=VISITS, observed=nobody) == 5


def test_of_patients_a_record_is_enough() -> None:
    record = "time | sex\n2024-03-01 | male"
    nobody = "table | start | end"
    assert ask(lambda h: h.where(sex="female").count(), "2024-03-10", patients=record, observed=nobody) == 0
    assert math.isnan(ask(lambda h: h.where(sex="female").count(), "2024-02-10", patients=record, observed=nobody))


def test_a_patient_without_events_gets_zeros_and_nulls() -> None:
    assert ask(lambda h: h.count(), "2024-03-10", encounters=ELSEWHERE) == 0
    assert math.isnan(ask(lambda h: h.days_since(), "2024-03-10", encounters=ELSEWHERE))


def test_a_row_that_comes_twice_is_one_event() -> None:
    twice = "time | event_id | fee\n2024-03-01 | v | 10\n2024-03-01 | v | 10"
    assert ask(lambda h: h.sum("fee"), "2024-03-10", encounters=twice) == 10
