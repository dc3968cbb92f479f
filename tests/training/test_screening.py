"""The diabetes self-test on NHANES 2017-2018: the figures of METHODS, and the artefact served."""

import numpy as np
import pytest

from features.sources.nhanes import frame
from training.candidates import linear
from training.evaluate import EvaluationValues
from training.models.published import NEW_CHINESE
from training.models.values import model_values
from training.screening import against, fit_self_test, folded, margins, people
from training.tasks import task

TASK = task("self_test_diabetes")


def test_the_people_are_those_of_the_plan():
    given = people(frame(), TASK.inputs.core, TASK.outcome)
    assert (len(given.y), int(given.y.sum())) == (4051, 150)
    assert not {"hba1c", "told_prediabetes", "ethnicity", "hdl", "total_cholesterol"} & set(given.names)


@pytest.mark.slow
def test_undiagnosed_diabetes_reaches_its_figures():
    fitted = fit_self_test(TASK)
    figures = fitted.figures
    assert {"calibration_curve", "decision_curve", "fairness", "leaks", "intervals"} <= set(fitted.sections)
    assert not fitted.sections["leaks"] and "intervals.json" in fitted.files
    assert not [each for each in fitted.sections["fairness"] if each["verdict"] == "block"]
    assert "gain_new_chinese_diabetes_risk_score" in figures or "test_gain_new_chinese_diabetes_risk_score" in figures
    assert figures["test_auroc"] >= 0.74
    assert figures["test_with_ethnicity_prediabetes_auroc"] >= 0.775
    assert figures["test_slope_lo"] <= 1 <= figures["test_slope_hi"]
    assert figures["test_oe_lo"] <= 1 <= figures["test_oe_hi"]
    assert fitted.scorer.spec.names == TASK.inputs.core
    ages = [TASK.questionnaire.vector(_answers(age))[0] for age in (30, 50, 70)]
    assert (np.diff(fitted.scorer.probability(np.array(ages))) > 0).all()


def _answers(age):
    return {
        "age": age,
        "sex": "female",
        "height_cm": 160,
        "weight_kg": 70,
        "waist_cm": 92,
        "family_diabetes": False,
        "told_diabetes": False,
    }


def test_the_published_score_stands_beside_the_self_test():
    given = people(frame(), TASK.inputs.core, TASK.outcome)
    values = model_values(("models.logistic.penalties=[30]",))
    found = folded(given, margins(linear(TASK.inputs, given.names, values)), 1, 7, "test")
    told = against(given, found, EvaluationValues(replicates=60, seed=1, calls_per_day=20), (NEW_CHINESE,))
    ours = told["auroc_new_chinese_diabetes_risk_score"].value + told["gain_new_chinese_diabetes_risk_score"].value
    assert 0.70 < told["auroc_new_chinese_diabetes_risk_score"].value < 0.78
    assert 0.72 < ours < 0.80


def test_hypertension_is_asked_of_everybody_measured():
    asked = task("self_test_hypertension")
    given = people(frame(), asked.inputs.core, asked.outcome)
    assert len(given.y) == 4982 and 0.2 < given.y.mean() < 0.3
    assert not {"systolic", "diastolic"} & set(given.names)


@pytest.mark.slow
def test_raised_blood_pressure_is_told_in_every_group_of_age_and_sex():
    fitted = fit_self_test(task("self_test_hypertension"), ("evaluation.replicates=100",))
    assert fitted.scorer.kind == "linear" and fitted.figures["test_auroc"] > 0.745
    assert fitted.figures["test_slope_lo"] <= 1 <= fitted.figures["test_slope_hi"]
    assert not [each for each in fitted.sections["fairness"] if each["verdict"] == "block"]
    assert fitted.sections["curvature"]["suffices"]
