"""Self-test: blood pressure that is raised now, from a questionnaire without any reading of it."""

from __future__ import annotations

from training.cohort import Cohort, Criterion, is_true
from training.outcome import RaisedBloodPressure
from training.questionnaire import Input, Question, Questionnaire
from training.task import Inputs, Task, TimeAtRisk
from training.tasks.self_test import ADULT, QUESTIONNAIRE

_ASKED = ("age", "sex", "height_cm", "weight_kg", "waist_cm", "pulse", "general_health", "smoked", "active")
_READ = ("age", "bmi", "waist_cm", "pulse", "male", "general_health", "smoked", "active", "told_diabetes")

FORM = Questionnaire(
    questions=(
        *(each for each in QUESTIONNAIRE.questions if each.name in _ASKED),
        Question("told_diabetes", "医生曾告知患有糖尿病", "told by a doctor to have diabetes", "flag"),
        Question(
            "told_hypertension",
            "医生曾告知患有高血压",
            "told by a doctor to have high blood pressure",
            "flag",
            required=True,
        ),
    ),
    inputs=(
        *(each for each in QUESTIONNAIRE.inputs if each.name in _READ),
        Input("told_diabetes", "曾被告知患有糖尿病", "told of diabetes", "", "comorbidity"),
    ),
)

SELF_TEST_HYPERTENSION = Task(
    name="self_test_hypertension",
    kind="prevalent",
    zh="目前可能存在血压升高（风险，不是诊断）",
    en="blood pressure raised now (a risk, not a diagnosis)",
    purposes=("self_test",),
    time=TimeAtRisk(horizon_days=0, lookback_days=0),
    cohort=Cohort(
        (
            ADULT,
            Criterion(
                "never told of hypertension",
                ("told_hypertension",),
                lambda c: ~is_true(c["told_hypertension"]),
                "已被告知患有高血压，请按医嘱随访",
                "told of high blood pressure already: follow your doctor's plan",
            ),
        )
    ),
    outcome=RaisedBloodPressure(),
    inputs=Inputs(
        clinical_groups=("age", "sex", "body_weight", "blood_pressure", "comorbidity", "smoking"),
        core=tuple(each.name for each in FORM.inputs),
        splined=1,
        crosses=(("age", "male"), ("age", "bmi"), ("age", "pulse"), ("age", "told_diabetes")),
        monotone={"age": "up", "bmi": "up", "waist_cm": "up"},
        protected={
            "age": "blood pressure rises with age in every population that was measured",
            "sex": "before 60 blood pressure is higher in men, after it in women",
        },
        baselines={"age": ("age", "up"), "bmi": ("bmi", "up")},
    ),
    questionnaire=FORM,
)
