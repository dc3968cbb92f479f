"""Labels with hindsight: what counts after a landmark, and who is left out."""

import numpy as np
import pandas as pd
import pytest
import yaml

from features.instants import DAY, parse
from features.lake import Lake
from features.params import path
from training.attrition import Attrition
from training.censoring import Ended
from training.followup import Followup
from training.landmarks import month_ends, span
from training.outcome import FirstDiagnosis, NoContact, NoLogin, Readmission, labels, read_by
from training.permission import without_consent
from training.records import NEVER
from training.task import TimeAtRisk

AT = parse("2025-01-31T00:00:00+00:00")


def _day(days):
    return pd.Timestamp(AT + round(days * DAY), unit="us", tz="UTC")


@pytest.fixture
def lake(tmp_path):
    """Make a lake of the tables given as lists of records; times in days from the landmark."""

    def make(**tables):
        for name, records in tables.items():
            rows = pd.DataFrame(records)
            for column in rows.columns:
                if column in ("time", "known_at", "deceased_at", "withdrawn_at", "granted_at", "end", "birth_date"):
                    rows[column] = pd.to_datetime(
                        [None if v is None or v != v else _day(v) for v in rows[column]], utc=True
                    )
            (tmp_path / name).mkdir()
            rows.to_parquet(tmp_path / name / "part.parquet")
        return Lake(tmp_path)

    return make


def _label(outcome, lake, patients, horizon, washout=0):
    ids = np.array(patients)
    attrition = Attrition()
    attrition.start("landmarks", ids)
    found = outcome.label(Followup(lake, ids, np.full(len(ids), AT)), attrition, horizon, washout)
    y = np.where(found.ended == Ended.LOST, -1.0, found.y)
    return dict(zip(patients, y)), {step.name: step.rows_out or step.weightless for step in attrition.steps}


def _visit(patient, day, event, status="finished", version=1, void=False, kind="outpatient"):
    return {
        "patient_id": patient, "time": day, "known_at": day, "event_id": event, "version": version,
        "void": void, "status": status, "kind": kind,
    }  # fmt: skip


def test_churn_counts_finished_contacts_of_the_window_in_their_final_version(lake):
    made = lake(
        encounters=[
            _visit("came", 90, "a"),
            _visit("at the landmark", 0, "b"),
            _visit("too late", 90.001, "c"),
            _visit("missed", 30, "d", status="no_show"),
            _visit("cancelled later", 30, "e"),
            _visit("cancelled later", 30, "e", status="cancelled", version=2),
            _visit("retracted", 30, "f"),
            _visit("retracted", 30, "f", version=2, void=True),
            _visit("booked then came", 30, "g", status="planned"),
            _visit("booked then came", 31, "g", version=2),
            _visit("by phone", 10, "h", kind="follow_up"),
        ]
    )
    names = [
        "came",
        "at the landmark",
        "too late",
        "missed",
        "cancelled later",
        "retracted",
        "booked then came",
        "by phone",
    ]
    y, _ = _label(NoContact(), made, names, 90)
    assert {name for name, label in y.items() if label == 0} == {"came", "booked then came", "by phone"}
    assert {name for name, label in y.items() if label == 1} == set(names) - {"came", "booked then came", "by phone"}


def test_lost_before_a_contact_weighs_nothing_and_after_one_it_does(lake):
    made = lake(
        encounters=[_visit("contact then moved", 10, "a"), _visit("moved then contact", 20, "b"), _visit("x", -5, "c")],
        status_changes=[
            {"patient_id": "contact then moved", "time": 15, "kind": "moved"},
            {"patient_id": "moved then contact", "time": 15, "kind": "moved"},
            {"patient_id": "opted out", "time": 60, "kind": "opted_out"},
            {"patient_id": "came back", "time": 60, "kind": "back"},
            {"patient_id": "left afterwards", "time": 95, "kind": "moved"},
        ],
        patients=[
            {"patient_id": "died", "time": -900, "deceased_at": 50.0},
            {"patient_id": "lives", "time": -900, "deceased_at": None},
        ],
    )
    names = ["contact then moved", "moved then contact", "opted out", "came back", "left afterwards", "died", "lives"]
    y, out = _label(NoContact(), made, names, 90)
    assert y["contact then moved"] == 0
    assert [y["moved then contact"], y["opted out"], y["died"]] == [-1, -1, -1]
    assert [y["came back"], y["left afterwards"], y["lives"]] == [1, 1, 1]
    assert out["lost to follow-up before a contact: kept at weight 0"] == 3


def _stay(patient, day, end, status="finished"):
    return _visit(patient, day, f"{patient}-stay", status=status, kind="inpatient") | {"end": end}


def test_a_stay_in_hospital_stops_the_clock(lake):
    made = lake(
        encounters=[
            _stay("visit after the stay", 20.0, 60.0, "in_progress"),
            _visit("visit after the stay", 120.0, "a"),
            _stay("silent after the stay", 20.0, 60.0, "in_progress"),
            _visit("silent after the stay", 131.0, "b"),
            _stay("the stay is the contact", 89.0, 120.0),
            _stay("stays until the records end", 50.0, None, "in_progress"),
            _visit("others", 400.0, "c"),
        ]
    )
    names = ["visit after the stay", "silent after the stay", "the stay is the contact", "stays until the records end"]
    y, out = _label(NoContact(), made, names, 90)
    assert list(y.values()) == [0, 1, 0, -1]
    assert out["lost to follow-up before a contact: kept at weight 0"] == 1


def test_a_log_in_or_any_own_action_is_activity(lake):
    made = lake(
        interactions=[
            {"patient_id": "logs in", "time": 29, "action": "login"},
            {"patient_id": "reads", "time": 30, "action": "view"},
            {"patient_id": "too late", "time": 31, "action": "login"},
            {"patient_id": "before", "time": -1, "action": "login"},
        ]
    )
    y, _ = _label(NoLogin(), made, ["logs in", "reads", "too late", "before"], 30)
    assert list(y.values()) == [0, 0, 1, 1]


def test_a_new_stay_is_a_readmission_and_death_competes(lake):
    names = ["back", "planned only", "emergency only", "late", "died", "moved then back"]
    made = lake(
        encounters=[
            *(_stay(name, -4.0, 0.0) | {"event_id": f"{name}-first"} for name in names),
            _stay("back", 12.0, 14.0),
            _stay("planned only", 12.0, 14.0, "planned"),
            _visit("emergency only", 12.0, "e", kind="emergency"),
            _stay("late", 31.0, 33.0),
            _stay("moved then back", 20.0, 21.0),
        ],
        patients=[{"patient_id": "died", "time": -900, "deceased_at": 5.0}],
        status_changes=[{"patient_id": "moved then back", "time": 10, "kind": "moved"}],
    )
    y, _ = _label(Readmission(), made, names, 30)
    assert list(y.values()) == [1, 0, 0, 0, 0, -1]


def test_the_thirty_days_of_a_readmission_run_from_the_discharge_not_from_when_it_was_known(lake):
    ends = {"back before": -3.0, "day 31": -2.0, "day 29": -2.0, "known too late": -31.0, "moved to a ward": -2.0}
    again = {"back before": -1.0, "day 31": 29.0, "day 29": 27.0, "known too late": 5.0, "moved to a ward": -2.0}
    first = [_stay(name, end - 5, end) | {"event_id": f"{name}-first"} for name, end in ends.items()]
    second = [_stay(name, start, start + 0.5) | {"known_at": start + 4} for name, start in again.items()]
    y, out = _label(Readmission(), lake(encounters=[*first, *second]), list(ends), 30)
    assert y["day 31"] == 0 and y["day 29"] == 1 and y["moved to a ward"] == 0
    assert np.isnan(y["back before"]) and out["back in hospital before the discharge was known"] == 1
    assert np.isnan(y["known too late"]) and out["no discharge whose time at risk was still open"] == 1


def test_a_landmark_is_asked_of_the_discharge_that_became_known_then(lake):
    """Reports out of order: the later stay was known two days before the earlier one."""
    earlier = _stay("a", -30.0, -26.0) | {"event_id": "a-first", "known_at": 0}
    later = _stay("a", -15.0, -2.0) | {"known_at": -2}
    y, out = _label(Readmission(), lake(encounters=[earlier, later]), ["a"], 30)
    assert np.isnan(y["a"]) and out["back in hospital before the discharge was known"] == 1


@pytest.mark.parametrize("outcome", [NoContact(), FirstDiagnosis("diabetes"), NoLogin()])
def test_who_had_died_or_left_by_then_though_nobody_knew_is_left_out(lake, outcome):
    made = lake(
        encounters=[_visit("others", 400.0, "v")],
        status_changes=[
            {"patient_id": "moved, told later", "time": -5, "known_at": 10, "kind": "moved"},
            {"patient_id": "came back", "time": -9, "known_at": 10, "kind": "moved"},
            {"patient_id": "came back", "time": -5, "known_at": 10, "kind": "back"},
            {"patient_id": "left again", "time": -9, "known_at": 10, "kind": "back"},
            {"patient_id": "left again", "time": -5, "known_at": 10, "kind": "opted_out"},
        ],
        patients=[{"patient_id": "died, told later", "time": -900, "deceased_at": -2.0}],
    )
    names = ["moved, told later", "came back", "left again", "died, told later", "stayed"]
    log = Attrition()
    log.start("landmarks", np.array(names))
    found = labels(outcome, Followup(made, np.array(names), np.full(5, AT)), log, 90, 0)
    assert np.isnan(found.y).tolist() == [True, False, True, True, False]
    assert log.steps[1].name == "had died or left by then" and log.steps[1].rows_out == 3
    gone = np.array(["died, told later"])
    log.start("nobody left", gone)
    assert np.isnan(labels(outcome, Followup(made, gone, np.array([AT])), log, 90, 0).y).all()


def _diagnosis(patient, onset, recorded, code="E11.9", system="ICD-10"):
    return {"patient_id": patient, "time": onset, "known_at": recorded, "code_system": system, "code": code}


def test_disease_is_dated_by_onset_and_an_onset_before_the_landmark_is_left_out(lake):
    made = lake(
        diagnoses=[
            _diagnosis("in the window", 100, 110),
            _diagnosis("national suffix", 100, 110, "E11.900x001"),
            _diagnosis("recorded later", -10, 40),
            _diagnosis("in the washout", 20, 25),
            _diagnosis("after the horizon", 366, 366),
            _diagnosis("other disease", 100, 100, "I10"),
            _diagnosis("twice", 100, 100),
            _diagnosis("twice", 20, 130),
        ],
        patients=[
            {"patient_id": "died first", "time": -900, "deceased_at": 50.0},
            {"patient_id": "healthy", "time": -900, "deceased_at": None},
        ],
        status_changes=[
            {"patient_id": "moved", "time": 50, "kind": "moved"},
            {"patient_id": "in the window", "time": 200, "kind": "moved"},
        ],
    )
    names = [
        "in the window", "national suffix", "recorded later", "in the washout", "after the horizon", "other disease",
        "twice", "died first", "healthy", "moved",
    ]  # fmt: skip
    y, out = _label(FirstDiagnosis("diabetes"), made, names, 365, 30)
    assert {name for name, label in y.items() if label == 1} == {"in the window", "national suffix"}
    assert {name for name, label in y.items() if label == 0} == {
        "after the horizon",
        "other disease",
        "died first",
        "healthy",
    }
    assert out["onset before the landmark, recorded after it"] == 1
    assert out["onset in the washout of 30 days"] == 2
    assert y["moved"] == -1 and out["lost to follow-up before the horizon: kept at weight 0"] == 1


def test_who_is_on_record_at_the_landmark_is_counted_apart_from_who_is_recorded_later(lake):
    known, later = _diagnosis("on record", -50, -40), _diagnosis("recorded later", -50, 40)
    corrected = _diagnosis("corrected", -50, -40) | {"event_id": "c", "version": 1}
    rows = [known | {"event_id": "a"}, later | {"event_id": "b"}, corrected]
    rows.append(corrected | {"version": 2, "known_at": 20, "time": -60})
    for row in rows:
        row.setdefault("version", 1)
    names = ["on record", "recorded later", "corrected", "healthy"]
    y, out = _label(FirstDiagnosis("diabetes"), lake(diagnoses=rows), names, 365, 30)
    assert y["healthy"] == 0 and all(np.isnan(y[name]) for name in names[:3])
    assert out["on record at the landmark already"] == 2
    assert out["onset before the landmark, recorded after it"] == 1


def test_the_next_event_is_strictly_after_and_of_the_same_patient(lake):
    made = lake(encounters=[_visit("b", 5, "1"), _visit("b", 0, "2"), _visit("a", -3, "3")])
    follow = Followup(made, np.array(["a", "b", "c"]), np.full(3, AT))
    assert follow.next_after("encounters").tolist() == [NEVER, AT + 5 * DAY, NEVER]


def test_landmarks_leave_room_for_look_back_horizon_and_lag(lake):
    made = lake(encounters=[_visit("p", day, str(day)) for day in range(-700, 1)])
    watched = span(made)
    found = month_ends(watched, TimeAtRisk(90, lookback_days=365), 30)
    assert found.min() >= watched.begin + 365 * DAY
    assert found.max() <= watched.end - 120 * DAY
    assert len(found) == pytest.approx((700 - 365 - 120) / 30.4, abs=1)


def test_neither_a_booking_nor_a_mistaken_date_moves_the_end_of_the_records(lake):
    visits = [_visit("p", day, f"v{day}") for day in range(-700, 1)]
    booked = _visit("p", 200, "b1", status="planned"), _visit("p", 200, "b2", status="planned") | {"known_at": -3}
    mistaken = _visit("q", 13_000, "m1"), _visit("q", 40, "m2") | {"known_at": 30}
    made = lake(encounters=[*visits, *booked, *mistaken])
    assert span(made).end == AT and Followup(made, np.array(["p"]), np.array([AT])).records_end == AT


def test_a_clock_that_is_a_little_slow_ends_nothing(lake):
    visits = [_visit("p", day, f"v{day}") | {"known_at": day - 0.001} for day in range(-700, 1)]
    assert span(lake(encounters=visits)).end == AT


def test_a_quiet_half_year_is_no_end(lake):
    made = lake(encounters=[_visit("p", day, f"v{day}") for day in (*range(-900, -180), 0)])
    assert span(made).end == AT


def test_no_landmark_is_asked_past_the_end_of_what_its_outcome_reads(lake):
    made = lake(
        encounters=[_visit("p", day, str(day)) for day in range(-700, 1)],
        diagnoses=[_diagnosis("p", -90, -60)],
        interactions=[{"patient_id": "p", "time": -20, "known_at": -20, "action": "login"}],
    )
    whole = span(made)
    assert span(made, *read_by(NoContact())) == whole
    assert whole.end - span(made, *read_by(FirstDiagnosis("diabetes"))).end == 60 * DAY
    assert whole.end - span(made, *read_by(NoLogin())).end == 20 * DAY


def test_data_train_models_under_the_service_s_own_rule_of_consent(lake, monkeypatch, tmp_path):
    def consent(patient, purpose="model_development", event="", **more):
        row = {"patient_id": patient, "time": -100, "event_id": f"c-{patient}{event}", "version": 1, "basis": "consent"}
        return row | {"purpose": purpose, "withdrawn_at": None, "separate": True, "evidence_ref": f"e-{patient}"} | more

    def born(patient, years):
        return {"patient_id": patient, "time": -200, "event_id": f"p-{patient}", "birth_date": -365.25 * years}

    held = [
        consent("yes"),
        consent("yes", "care_followup", "2", evidence_ref="another paper"),
        consent("again", withdrawn_at=-50.0),
        consent("again", event="2", time=-10),
        consent("child guarded", guardian=True),
        consent("grown", event="2"),
    ]
    fails = [
        consent("withdrawn"),
        consent("withdrawn", withdrawn_at=-5.0, version=2),
        consent("announced", withdrawn_at=500.0),
        consent("not separate", separate=False),
        consent("not said", separate=None),
        consent("bundled"),
        consent("bundled", "care_followup", "2"),
        consent("other", purpose="care_followup"),
        consent("old notice", notice_version="2019"),
        consent("other basis", basis="legitimate interest"),
        consent("child"),
        consent("void", void=True),
    ]
    people = [born("child", 10), born("child guarded", 10), born("grown", 15)]
    made = lake(consents=held + fails, patients=people, encounters=[_visit("yes", 0, "1")])
    params = yaml.safe_load(path().read_text(encoding="utf-8"))
    params["serving"]["superseded_notices"] = ["2019"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    monkeypatch.setenv("CAREPATH_PARAMS", str(tmp_path / "params.yaml"))
    ids = np.array(sorted({row["patient_id"] for row in held + fails} | {"never asked"}))
    assert ids[~without_consent(made, ids)].tolist() == ["again", "child guarded", "grown", "yes"]
