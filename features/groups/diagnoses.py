"""Diseases on record, and what is new among them."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.codes import codelist
from features.history import Reduction, Selection

MANAGED = tuple(
    codelist(name)
    for name in (
        "diabetes",
        "hypertension",
        "coronary_heart_disease",
        "stroke",
        "heart_failure",
        "atrial_fibrillation",
        "chronic_kidney_disease",
        "copd",
        "asthma",
        "dyslipidaemia",
        "osteoporosis",
        "gout",
    )
)
SENSITIVE = (codelist("depression"), codelist("cancer"), codelist("dementia"))


@feature_group(
    source="diagnoses",
    purposes=("care_followup", "screening_invitation", "health_education"),
    why="who has a chronic disease needs follow-up, and one disease raises the risk of others",
    clinical_group="comorbidity",
)
def diagnoses(history: Selection) -> dict[str, Reduction]:
    """Chronic diseases ever coded, how many codes, and how new the latest is."""
    chronic = history.coded(*MANAGED)
    return {f"diagnosis_{each.name}": history.coded(each).exists() for each in MANAGED} | {
        "diagnosis_obesity": history.coded(codelist("obesity")).exists(),
        "diagnosis_prediabetes": history.coded(codelist("prediabetes")).exists(),
        "chronic_code_distinct": chronic.distinct("code").labelled(
            label_zh="慢性病编码种数", label_en="different chronic codes"
        ),
        "chronic_code_count_365d": chronic.within(days=365)
        .count()
        .labelled(label_zh="近一年慢性病诊断次数", label_en="chronic diagnoses, last year"),
        "chronic_days_since": chronic.days_since().labelled(
            label_zh="距最近慢性病诊断天数", label_en="days since the latest chronic diagnosis"
        ),
        "acute_infection_count_365d": history.coded(codelist("acute_infection")).within(days=365).count(),
        "diagnosis_days_since": history.days_since().labelled(
            label_zh="距最近诊断天数", label_en="days since the latest diagnosis"
        ),
        "diagnosis_count_365d": history.within(days=365)
        .count()
        .labelled(label_zh="近一年诊断次数", label_en="diagnoses, last year"),
    }


@derived
def chronic_on_record(
    diagnosis_days_since: np.ndarray,
    diagnosis_diabetes: np.ndarray,
    diagnosis_hypertension: np.ndarray,
    diagnosis_dyslipidaemia: np.ndarray,
    diagnosis_chronic_kidney_disease: np.ndarray,
    diagnosis_copd: np.ndarray,
    diagnosis_asthma: np.ndarray,
    diagnosis_osteoporosis: np.ndarray,
    diagnosis_gout: np.ndarray,
    cardiovascular_on_record: np.ndarray,
) -> np.ndarray:
    """Managed chronic diseases on record; null without a diagnosis of any kind. Unit: 1.

    A disease that nobody recorded counts as none, also where its absence cannot be known.

    label_zh: 在案慢性病种数
    label_en: chronic diseases on record
    """
    others = (
        diagnosis_diabetes,
        diagnosis_hypertension,
        diagnosis_dyslipidaemia,
        diagnosis_chronic_kidney_disease,
        diagnosis_copd,
        diagnosis_asthma,
        diagnosis_osteoporosis,
        diagnosis_gout,
        cardiovascular_on_record,
    )
    return np.where(np.isnan(diagnosis_days_since), np.nan, np.nansum(np.stack(others), axis=0))


@derived
def cardiovascular_on_record(
    diagnosis_days_since: np.ndarray,
    diagnosis_coronary_heart_disease: np.ndarray,
    diagnosis_stroke: np.ndarray,
    diagnosis_heart_failure: np.ndarray,
    diagnosis_atrial_fibrillation: np.ndarray,
) -> np.ndarray:
    """Coronary heart disease, stroke, heart failure and atrial fibrillation: how many are on record. Unit: 1.

    Null without a diagnosis of any kind; a disease that nobody recorded counts as none.

    label_zh: 在案心血管病种数
    label_en: cardiovascular diseases on record
    """
    flags = (
        diagnosis_coronary_heart_disease,
        diagnosis_stroke,
        diagnosis_heart_failure,
        diagnosis_atrial_fibrillation,
    )
    return np.where(np.isnan(diagnosis_days_since), np.nan, np.nansum(np.stack(flags), axis=0))


@feature_group(
    source="diagnoses",
    purposes=("care_followup",),
    why="psychiatric and oncological care is followed up under a consent of its own",
    clinical_group="comorbidity",
    protected=True,
)
def sensitive_diagnoses(history: Selection) -> dict[str, Reduction]:
    """Diagnoses that need a consent of their own; no general model reads them."""
    return {f"diagnosis_{each.name}": history.coded(each).exists() for each in SENSITIVE}
