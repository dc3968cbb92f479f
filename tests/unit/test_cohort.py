"""A cohort's criteria, one row or many, and the attrition they leave."""

import numpy as np
import pytest

from features import catalogue
from features.errors import InputError
from features.plan import compile_plan
from training.attrition import Attrition
from training.cohort import Cohort, Criterion, is_true
from training.learning import was_tested
from training.tasks import tasks
from training.tasks.criteria import SEXED

ADULT = Criterion("adult", ("age_years",), lambda c: c["age_years"] >= 18, "成人", "adult", "outside_population")
SEEN = Criterion(
    "seen",
    ("visits", "plan"),
    lambda c: (c["visits"] >= 2) | is_true(c["plan"]),
    "就诊",
    "seen",
    rules=(("visits", lambda c: c["visits"] >= 2), ("plan", lambda c: is_true(c["plan"]))),
)
COHORT = Cohort((ADULT, SEEN))
COLUMNS = {
    "age_years": np.array([40.0, 40.0, 9.0, np.nan, 50.0]),
    "visits": np.array([2.0, 0.0, 5.0, 5.0, 3.0]),
    "plan": np.array([np.nan, np.nan, 1.0, 1.0, 1.0]),
}


def test_every_step_counts_rows_and_patients():
    attrition = Attrition()
    patient = np.array(["a", "a", "b", "c", "d"])
    attrition.start("landmarks", patient)
    kept = COHORT.apply(COLUMNS, patient, attrition)
    assert kept.tolist() == [True, False, False, False, True]
    adult, seen = attrition.steps[1:]
    assert (adult.rows_out, adult.patients_out, adult.rows_left) == (2, 2, 3)
    assert (seen.rows_out, seen.patients_out, seen.rows_left) == (1, 0, 2)
    assert seen.rules == {"visits": 2, "plan": 1}


def test_a_test_that_gives_no_booleans_is_refused():
    """A null among numbers would count as true."""
    columns = {"x": np.array([1.0, 0.0, np.nan])}
    with pytest.raises(InputError, match="true or false, a row"):
        Criterion("x", ("x",), lambda c: c["x"], "甲", "x").met(columns, 3)
    assert Criterion("x", ("x",), lambda c: c["x"] > 0, "甲", "x").met(columns, 3).tolist() == [True, False, False]


def test_one_person_is_refused_by_the_first_criterion_failed():
    refused = COHORT.refusal({"age_years": float("nan"), "visits": 0.0, "plan": 0.0})
    assert refused is ADULT and refused.code == "outside_population"
    assert COHORT.refusal({"age_years": 60.0, "visits": 2.0, "plan": float("nan")}) is None
    assert COHORT.needs == ("age_years", "visits", "plan")


def test_a_name_is_used_once():
    with pytest.raises(InputError, match="one name"):
        Cohort((ADULT, ADULT))


def test_a_disease_is_not_asked_of_an_unknown_sex():
    assert SEXED.met({"sex_male": np.array([1.0, 0.0, np.nan])}, 3).tolist() == [True, True, False]
    assert all(SEXED in each.cohort.criteria for each in tasks() if each.name.endswith(("_12m", "_36m", "_60m")))


def test_what_is_derived_from_counts_of_examinations_says_that_somebody_was_examined():
    features = {each.name: each for each in compile_plan(catalogue()).spec.features}
    tested = {name: was_tested(features[name]) for name in ("device_trend", "hba1c_count_24m", "hba1c_days_since")}
    assert all(tested.values())
    assert not was_tested(features["smokes_now"]) and not was_tested(features["hba1c_mean_24m"])
