"""Self-test: diabetes that nobody has diagnosed yet, from a questionnaire without laboratory values."""

from __future__ import annotations

from training.cohort import Cohort, Criterion, is_true
from training.outcome import UndiagnosedDiabetes
from training.questionnaire import Input, Question, Questionnaire
from training.task import Inputs, Task, TimeAtRisk

HEALTH = (
    ("excellent", "很好", "excellent"),
    ("very_good", "较好", "very good"),
    ("good", "一般偏好", "good"),
    ("fair", "一般", "fair"),
    ("poor", "较差", "poor"),
)
SEXES = (("female", "女", "female"), ("male", "男", "male"))

QUESTIONNAIRE = Questionnaire(
    questions=(
        Question("age", "年龄", "age", "number", "a", 18, 120, required=True),
        Question("sex", "性别", "sex", "choice", choices=SEXES, required=True),
        Question("height_cm", "身高", "height", "number", "cm", 100, 230, required=True),
        Question("weight_kg", "体重", "weight", "number", "kg", 25, 300, required=True),
        Question("waist_cm", "腰围", "waist", "number", "cm", 40, 200),
        Question("systolic", "收缩压", "systolic blood pressure", "number", "mmHg", 70, 260),
        Question("diastolic", "舒张压", "diastolic blood pressure", "number", "mmHg", 30, 160),
        Question("pulse", "静息脉搏", "resting pulse", "number", "/min", 30, 200),
        Question("family_diabetes", "亲属中有糖尿病患者", "a relative has diabetes", "flag", required=True),
        Question("general_health", "自评健康状况", "own judgement of health", "choice", choices=HEALTH),
        Question("smoked", "一生吸烟达100支", "smoked 100 cigarettes or more in life", "flag"),
        Question("active", "平时有中等或剧烈的休闲运动", "moderate or vigorous exercise in a usual week", "flag"),
        Question("told_diabetes", "医生曾告知患有糖尿病", "told by a doctor to have diabetes", "flag", required=True),
    ),
    inputs=(
        Input("age", "年龄", "age", "a", "age", protected=True),
        Input("bmi", "体质指数", "body mass index", "kg/m2", "body_weight", actionable=True),
        Input("waist_cm", "腰围", "waist", "cm", "body_weight", actionable=True),
        Input("systolic", "收缩压", "systolic blood pressure", "mmHg", "blood_pressure", actionable=True),
        Input("diastolic", "舒张压", "diastolic blood pressure", "mmHg", "blood_pressure", actionable=True),
        Input("pulse", "静息脉搏", "resting pulse", "/min", "blood_pressure"),
        Input("family_diabetes", "糖尿病家族史", "family history of diabetes", "", "family_history"),
        Input("male", "男性", "male", "", "sex", of="sex", protected=True),
        Input(
            "general_health",
            "自评健康状况（0很好，4较差）",
            "own judgement of health (0 excellent, 4 poor)",
            "",
            "comorbidity",
        ),
        Input("smoked", "曾吸烟", "has smoked", "", "smoking"),
        Input("active", "休闲运动", "leisure exercise", "", "body_weight", actionable=True),
    ),
)

ADULT = Criterion(
    "age 20 or more",
    ("age",),
    lambda c: c["age"] >= 20,
    "模型只适用于20岁及以上",
    "the model was made for ages of 20 and more",
    "outside_population",
)
SELF_TEST_DIABETES = Task(
    name="self_test_diabetes",
    kind="prevalent",
    zh="目前可能存在未诊断的糖尿病（风险，不是诊断）",
    en="diabetes not yet diagnosed, now (a risk, not a diagnosis)",
    purposes=("self_test",),
    time=TimeAtRisk(horizon_days=0, lookback_days=0),
    cohort=Cohort(
        (
            ADULT,
            Criterion(
                "never told of diabetes",
                ("told_diabetes",),
                lambda c: ~is_true(c["told_diabetes"]),
                "已被告知患有糖尿病，请按医嘱随访",
                "told of diabetes already: follow your doctor's plan",
            ),
        )
    ),
    outcome=UndiagnosedDiabetes(),
    inputs=Inputs(
        clinical_groups=("age", "sex", "body_weight", "blood_pressure", "family_history", "comorbidity", "smoking"),
        core=tuple(each.name for each in QUESTIONNAIRE.inputs),
        splined=0,
        monotone={"age": "up", "bmi": "up", "waist_cm": "up", "systolic": "up"},
        protected={
            "age": "the prevalence of diabetes rises with age in every published score",
            "sex": "at the same waist and age the prevalence differs between the sexes",
        },
        baselines={"age": ("age", "up"), "bmi": ("bmi", "up")},
        scores=("new_chinese_diabetes_risk_score",),
    ),
    questionnaire=QUESTIONNAIRE,
)
