"""The diabetes self-test on NHANES 2017-2018: the figures of METHODS, and the artefact served."""

import numpy as np
import pytest

from features.sources.nhanes import frame
from training.screening import fit_self_test, people
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
