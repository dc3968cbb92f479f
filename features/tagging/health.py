"""健康状态: diseases and their control, stage, risk by rule, stage of life, recovery."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.codes import codelist
from features.groups.diagnoses import MANAGED, SENSITIVE
from features.tagging.tag import Ground, Tag, chosen, flag
from features.tagging.values import TagValues

CONTROL = {"met": ("达标", "target met"), "not_met": ("未达标", "target not met")}
STAGES = {"acute": ("急性期", "acute"), "stable": ("稳定期", "stable")}
LIFE = {
    "preconception": ("备孕", "preparing for pregnancy"),
    "pregnancy": ("妊娠", "pregnant"),
    "postpartum": ("产后", "after delivery"),
    "menopause": ("更年期", "menopause"),
}
ACUTE = ("admitted_now", "emergency_days_since", "chest_pain_days_since", "acute_infection_days_since")


def acute(values: TagValues, *signs: np.ndarray) -> np.ndarray:
    """Return (n,) whether the columns `ACUTE` speak of acute illness."""
    admitted, *since = signs
    return (admitted == 1) | np.any([(each >= 0) & (each < values.acute_days) for each in since], axis=0)


def _stage(values: TagValues, chronic_ever: np.ndarray, *signs: np.ndarray) -> np.ndarray:
    ill = acute(values, *signs)
    return chosen((ill, "acute"), (chronic_ever == 1, "stable"))


def _glycaemic(values: TagValues, diabetes: np.ndarray, hba1c: np.ndarray) -> np.ndarray:
    known = diabetes == 1
    return chosen((known & (hba1c < values.hba1c_below), "met"), (known & (hba1c >= values.hba1c_below), "not_met"))


def _pressure(values: TagValues, hypertension: np.ndarray, systolic: np.ndarray, diastolic: np.ndarray) -> np.ndarray:
    low = (systolic < values.systolic_below) & (diastolic < values.diastolic_below)
    high = (systolic >= values.systolic_below) | (diastolic >= values.diastolic_below)
    return chosen(((hypertension == 1) & high, "not_met"), ((hypertension == 1) & low, "met"))


def _life(values: TagValues, *since: np.ndarray) -> np.ndarray:
    """Of the stages whose code is young enough the latest code decides."""
    limits = (values.preconception_days, values.pregnancy_days, values.postpartum_days, values.menopause_days)
    young = np.stack([np.where(each < limit, each, np.inf) for each, limit in zip(since, limits)])
    least = young.min(axis=0)
    return chosen(*(((one == least) & np.isfinite(one), name) for one, name in zip(young, LIFE)))


def health(values: TagValues) -> tuple[Tag, ...]:
    """Return the tags of the layer."""
    listed = (*MANAGED, codelist("obesity"), codelist("prediabetes"), *SENSITIVE)
    diseases = tuple(
        flag(
            each.name,
            each.zh,
            each.en,
            "health",
            Ground(
                (f"diagnosis_{each.name}",),
                lambda found: found == 1,
                "有该病诊断编码",
                "a diagnosis of it is on record",
            ),
            static=True,
            sensitive=each in SENSITIVE,
        )
        for each in listed
    )
    return (*diseases, *_control(values), *_states(values), *_risks(values))


def _control(values: TagValues) -> tuple[Tag, ...]:
    hba1c, systolic, diastolic = values.hba1c_below, values.systolic_below, values.diastolic_below
    return (
        Tag(
            "glycaemic_control",
            "血糖控制",
            "glucose control",
            "health",
            (
                Ground(
                    ("diagnosis_diabetes", "hba1c_last_12m"),
                    partial(_glycaemic, values),
                    f"糖尿病患者近12个月末次HbA1c < {hba1c:g} % 为达标",
                    f"diabetes on record; last HbA1c of 12 months below {hba1c:g} % meets the target",
                ),
            ),
            words=CONTROL,
        ),
        Tag(
            "pressure_control",
            "血压控制",
            "blood pressure control",
            "health",
            (
                Ground(
                    ("diagnosis_hypertension", "systolic_last_12m", "diastolic_last_12m"),
                    partial(_pressure, values),
                    f"高血压患者近12个月末次血压 < {systolic:g}/{diastolic:g} mmHg 为达标",
                    f"hypertension on record; last pressure of 12 months below {systolic:g}/{diastolic:g} mmHg",
                ),
            ),
            words=CONTROL,
        ),
    )


def _states(values: TagValues) -> tuple[Tag, ...]:
    days = values.acute_days
    return (
        Tag(
            "disease_stage",
            "病情阶段",
            "disease stage",
            "health",
            (
                Ground(
                    ("chronic_ever", *ACUTE),
                    partial(_stage, values),
                    f"住院中, 或 {days:g} 天内有急诊、胸痛或急性感染为急性期; 否则有慢性病者为稳定期",
                    f"acute: in hospital, or an emergency visit, chest pain or acute infection within {days:g} days; "
                    "else stable where a chronic disease is on record",
                ),
            ),
            words=STAGES,
            edges=(days,),
        ),
        Tag(
            "life_stage",
            "生命阶段",
            "stage of life",
            "health",
            (
                Ground(
                    tuple(f"{name}_days_since" for name in LIFE),
                    partial(_life, values),
                    f"最近的相关诊断: 备孕 {values.preconception_days:g} 天内, 妊娠 {values.pregnancy_days:g} 天内, "
                    f"产后 {values.postpartum_days:g} 天内, 更年期 {values.menopause_days:g} 天内",
                    f"the latest code among preparing (below {values.preconception_days:g} days old), pregnancy "
                    f"({values.pregnancy_days:g}), delivery ({values.postpartum_days:g}), menopause "
                    f"({values.menopause_days:g})",
                ),
            ),
            words=LIFE,
            sensitive=True,
            edges=(values.preconception_days, values.pregnancy_days, values.postpartum_days, values.menopause_days),
        ),
        flag(
            "postoperative",
            "术后",
            "after surgery",
            "health",
            Ground(
                ("postoperative_days_since",),
                lambda since: since < values.postoperative_days,
                f"{values.postoperative_days:g} 天内有术后照护或随访编码",
                f"a code of care after surgery less than {values.postoperative_days:g} days old",
            ),
            edges=(values.postoperative_days,),
        ),
    )


def _risks(values: TagValues) -> tuple[Tag, ...]:
    return (
        flag(
            "hypertension_high_risk",
            "高血压高危",
            "high risk of hypertension",
            "health",
            Ground(
                ("bmi", "family_hypertension"),
                lambda bmi, family: (bmi >= values.bmi_high_from) & (family == 1),
                f"BMI >= {values.bmi_high_from:g} 且有高血压家族史",
                f"BMI {values.bmi_high_from:g} or more, and hypertension in the family",
            ),
        ),
        flag(
            "breast_cancer_raised_risk",
            "乳腺癌风险升高",
            "raised risk of breast cancer",
            "health",
            Ground(
                ("parity_last", "breast_hyperplasia"),
                lambda parity, hyperplasia: (parity == 0) & (hyperplasia == 1),
                "未生育且有乳腺增生 (弱规则)",
                "nulliparous, and breast hyperplasia on record (weak evidence)",
            ),
            sensitive=True,
            weak=True,
        ),
    )
