"""The personal revisit interval, its overrun, and discharges as landmarks."""

import numpy as np
import pandas as pd
import pytest

from features.instants import DAY, parse
from features.lake import Lake
from training.attrition import Attrition
from training.followup import Followup
from training.landmarks import Span, discharges
from training.overrun import Overrun, interval
from training.task import TimeAtRisk

AT = parse("2025-01-31T00:00:00+00:00")
NAN = np.nan


def _day(days):
    return pd.Timestamp(AT + round(days * DAY), unit="us", tz="UTC")


def test_the_interval_is_the_next_step_then_the_supply_then_the_own_rhythm():
    since = np.array([20.0, 20, 20, 20, 20, 2])
    due = np.array([-10.0, 25, NAN, NAN, NAN, NAN])
    overdue = np.array([-5.0, -5, -8, 30, NAN, NAN])
    own = np.array([60.0, 60, 60, 60, NAN, 3])
    found = interval(since, due, overdue, own)
    assert found[:4].tolist() == [30, 25, 28, 60] and np.isnan(found[4]) and found[5] == 7


def _visits(patient, *days):
    return [
        {"patient_id": patient, "time": _day(day), "known_at": _day(day), "event_id": f"{patient}{day}",
         "status": "finished", "kind": "outpatient"}
        for day in days
    ]  # fmt: skip


def test_overrun_is_told_by_the_median_rhythm(tmp_path, monkeypatch, home):
    """Every 40 days, the last 10 days ago: 1.5 intervals have passed on day 50."""
    rows = [
        *_visits("came on day 49", -130, -90, -50, -10, 49),
        *_visits("came on day 51", -130, -90, -50, -10, 51),
        *_visits("overrun already", -190, -150, -110, -70),
        *_visits("too few", -10),
    ]
    (tmp_path / "encounters").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "encounters" / "part.parquet")
    names = np.array(["came on day 49", "came on day 51", "overrun already", "too few"])
    log = Attrition()
    log.start("landmarks", names)
    found = Overrun(1.5).label(Followup(Lake(tmp_path), names, np.full(4, AT)), log, 180, 0)
    assert found.y[:2].tolist() == [0, 1] and np.isnan(found.y[2:]).all()
    assert found.days[:2] == pytest.approx([49, 50])
    steps = {step.name: step.rows_out for step in log.steps}
    assert steps["overrun at the landmark already"] == 1 and steps["no revisit interval can be told"] == 1


def test_two_visits_of_one_morning_are_one_day_of_contact(tmp_path, monkeypatch, home):
    """08:00 in Shanghai is midnight UTC, which begins no day there."""
    morning = [f"2025-0{month}-{day}T{time}+08:00" for month, day in ((1, 10), (1, 20)) for time in ("07:30", "08:30")]
    days = [(parse(each) - AT) / DAY for each in morning]
    (tmp_path / "encounters").mkdir()
    pd.DataFrame(_visits("a", *days)).to_parquet(tmp_path / "encounters" / "part.parquet")
    gap = Followup(Lake(tmp_path), np.array(["a"]), np.array([AT])).median_gap("encounters", 730, status="finished")
    assert np.isnan(gap).all()


def test_a_discharge_is_asked_when_it_becomes_known(tmp_path):
    stay = {"patient_id": "a", "event_id": "s", "kind": "inpatient", "time": _day(0)}
    rows = [
        stay | {"known_at": _day(0), "version": 1, "status": "in_progress", "end": None},
        stay | {"known_at": _day(6), "version": 2, "status": "finished", "end": _day(5)},
        stay | {"known_at": _day(90), "version": 3, "status": "finished", "end": _day(5)},
        *_visits("b", 3),
    ]
    (tmp_path / "encounters").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "encounters" / "part.parquet")
    ids, at = discharges(Lake(tmp_path), Span(AT - 400 * DAY, AT + 200 * DAY), TimeAtRisk(30, lookback_days=365), 30)
    assert ids.tolist() == ["a"] and at.tolist() == [AT + 6 * DAY]
