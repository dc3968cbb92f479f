"""Bad input: what is wrong, where, and what to do; one test each."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

import training
from features.errors import InputError
from features.lake import Lake
from simulation.write import hospital
from training.attrition import Attrition
from training.cohort import Cohort, Criterion
from training.labelled import labelled
from training.landmarked import TooFew, fit
from training.mistakes import check, empty, varying
from training.outcome import NoContact
from training.run import run
from training.task import TimeAtRisk
from training.tasks import task


def _with(name, **changes):
    base = task(name)
    return replace(base, inputs=replace(base.inputs, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"core": ("visit_count_30", "visit_days_since")}, r"core: no feature 'visit_count_30'; did you mean"),
        ({"monotone": {"age_year": "up"}}, r"monotone: no feature 'age_year'; did you mean 'age_years'"),
        ({"baselines": {"recency": ("days_since", "up")}}, r"a baseline: no feature 'days_since'"),
        ({"clinical_groups": ("visit",)}, r"no clinical group 'visit'; did you mean 'visits'"),
        ({"protected": {"agee": "why"}}, r"protected: no clinical group 'agee'; did you mean 'age'"),
        (
            {"clinical_groups": ("fees",), "core": (), "crosses": ()},
            r"may be used for care_followup; name other clinical_groups or purposes",
        ),
    ],
)
def test_an_unknown_feature_or_group_is_named(lake, changes, message):
    with pytest.raises(InputError, match=message):
        labelled(_with("churn_90d", **changes), lake)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"core": ("age_years", "bmi", "age_years")}, r"'age_years' stands twice in core"),
        ({"crosses": (("bmi", "bmi"),)}, r"'bmi' is crossed with itself"),
        ({"splined": -2}, r"splined is below 0"),
    ],
)
def test_inputs_that_cannot_be_meant_are_refused_where_they_are_declared(changes, message):
    with pytest.raises(InputError, match=message):
        _with("diabetes_12m", **changes)


@pytest.mark.parametrize("tables", ["diagnoses", ("diagnosis",)])
def test_an_outcome_names_tables_that_there_are(tables):
    class Mine(NoContact):
        pass

    Mine.tables = tables
    with pytest.raises(InputError, match=r"tables is no tuple of names|did you mean 'diagnoses'"):
        replace(task("churn_90d"), outcome=Mine())


def test_a_washout_as_long_as_the_horizon_leaves_no_time_at_risk():
    with pytest.raises(InputError, match="no time at risk"):
        TimeAtRisk(horizon_days=90, washout_days=90)
    with pytest.raises(InputError, match="zh or en"):
        replace(task("churn_90d"), zh=None)


def test_an_unknown_codelist_is_named_with_the_nearest():
    entry = "{codelist: gouty, ages: [18, 90], lookback_days: 365, washout_days: 30, horizons_months: [12]}"
    with pytest.raises(InputError, match=r"diseases.*codelist.*gout"):
        task("gout_12m", (f"diseases.gout={entry}",))


def test_a_date_out_of_range_says_from_when_to_when(lake):
    with pytest.raises(InputError, match=r"records from 20\d\d-\d\d-\d\d to 20.*too short.*more days are needed"):
        labelled("stroke_60m", lake)
    long = replace(task("churn_90d"), time=replace(task("churn_90d").time, lookback_days=4000))
    with pytest.raises(InputError, match=r"look-back of 4000 .*more days are needed"):
        labelled(long, lake)


def test_an_empty_cohort_says_at_which_step_the_last_went(lake):
    nobody = Criterion("older than anybody", ("age_years",), lambda c: c["age_years"] > 150, "无", "nobody")
    with pytest.raises(
        InputError, match=r"nobody is eligible: the step 'older than anybody' left out the last"
    ) as told:
        labelled(replace(task("churn_90d"), cohort=Cohort((nobody,))), lake)
    assert told.value.attrition[-1]["rows_left"] == 0


def test_a_table_that_the_lake_lacks_is_named_where_its_criterion_leaves_nobody(sample, home, tmp_path):
    for name in ("encounters", "diagnoses"):
        (tmp_path / name).symlink_to(sample / "lake" / name)
    message = r"task diabetes_12m: nobody .* rows, for the lake has no patients; ingest patients first"
    with pytest.raises(InputError, match=message) as told:
        run("diabetes_12m", tmp_path)
    assert told.value.attrition[-1]["rows_left"] == 0


def test_a_refusal_says_which_codes_never_occur(sample, home, store):
    entry = "{codelist: gout, ages: [18, 90], lookback_days: 365, washout_days: 30, horizons_months: [12]}"
    with pytest.raises(TooFew, match="with 0 events") as told:
        run("gout_12m", sample / "lake", (f"diseases.gout={entry}",))
    assert "no code of gout occurs, so empty: gout_dx_ever" in told.value.__notes__
    assert "no code of gout occurs, so nobody can have the outcome" in told.value.__notes__


def test_no_events_is_refused_with_the_numbers(lake):
    entry = "{codelist: gout, ages: [18, 90], lookback_days: 365, washout_days: 30, horizons_months: [12]}"
    data = labelled(task("gout_12m", (f"diseases.gout={entry}",)), lake)
    with pytest.raises(TooFew, match=r"with 0 events to learn from .*: missing 50 more events \(at least 50\); wait"):
        fit(data)


def test_only_the_patients_learnt_from_count(lake):
    data = labelled("churn_90d", lake)
    ill = data.parts.rows("train") & (data.y == 1)
    few = ill & np.isin(data.patient_id, np.unique(data.patient_id[ill])[:49])
    spoiled = replace(data, y=np.where(data.parts.rows("train"), few, data.y).astype(float))
    (patients, events), (all_patients, all_events) = spoiled.count("train"), spoiled.count()
    assert events == 49 < all_events and patients < all_patients
    told = (
        f"{patients} patients with 49 events to learn from .of {all_patients} with {all_events} in all.: missing 1 more"
    )
    with pytest.raises(TooFew, match=told):
        fit(spoiled)
    nobody = replace(data, parts=replace(data.parts, part=np.where(data.parts.rows("train"), "", data.parts.part)))
    with pytest.raises(TooFew, match=r"nobody to learn from \(of \d+ patients with \d+ events in all\); wait"):
        fit(nobody)


def test_labels_that_nothing_tells_are_refused_with_the_task_and_a_remedy(lake):
    data = labelled("churn_90d", lake)
    dealt = data.y[np.random.default_rng(0).permutation(len(data.y))]
    told = r"task churn_90d: refused: no model tells the outcome .*; exploratory: \d+ .*; wait for more patients, or"
    with pytest.raises(TooFew, match=told) as caught:
        fit(replace(data, y=np.where(data.parts.rows("train"), dealt, data.y)), ("models.lightgbm.rounds=20",))
    assert caught.value.attrition


def test_one_class_in_a_part_is_refused(lake):
    data = labelled("churn_90d", lake)
    test = data.parts.rows("test")
    with pytest.raises(TooFew, match="the test part holds one class only"):
        fit(replace(data, y=np.where(test, 0.0, data.y)))
    with pytest.raises(InputError, match="one class only"):
        training.evaluate(replace(data, y=np.ones(len(data.y))), np.full(len(data.y), 0.5))


def test_a_constant_feature_is_left_out_and_named(lake):
    data = labelled("churn_90d", lake)
    assert data.constant()
    assert any(f"{len(data.constant())} features do not vary" in str(row["step"]) for row in data.log.rows())
    for name in data.constant():
        assert len(np.unique(np.nan_to_num(data.column(name), nan=-1.0))) == 1
    with pytest.raises(InputError, match=r"every feature is constant here; check that the codes"):
        varying(data.task, ("a", "b"), np.array([[1.0, np.nan], [1.0, np.nan]]), Attrition())


def test_a_patient_given_twice_is_named(tmp_path):
    lake = hospital(tmp_path, 30, 3, 1, date(2025, 12, 31))
    file = next((lake / "patients").glob("*.parquet"))
    rows = pd.read_parquet(file)
    again = rows.iloc[[0]].assign(event_id="another", birth_date=pd.Timestamp("1950-01-01", tz="UTC"))
    pd.concat([rows, again]).to_parquet(file)
    with pytest.raises(InputError, match=r"patients: 1 patient has two rows in force; merge them"):
        labelled("churn_90d", Lake(lake))


def test_a_cohort_that_ends_after_its_labels_says_so():
    log = Attrition()
    log.start("landmarks", np.array(["a"]))
    log.drop("onset in the washout", np.array(["a"]), np.array([True]), np.array([False]))
    assert "onset in the washout" in str(empty(task("churn_90d"), log))


def test_every_task_passes_its_own_check():
    from features import catalogue
    from training.tasks import tasks

    for each in tasks():
        if each.kind in ("churn", "incident", "rule"):
            readable = check(each, (*catalogue(), *each.own))
            assert each.kind == "rule" or set(each.inputs.core) <= set(readable)
