"""Lungs and smoking."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.codes import codelist
from features.history import Reduction, Selection

SMOKING = codelist("smoking_status")
SMOKES = (
    "current",
    "Current every day smoker",
    "Current some day smoker",
    "Smokes tobacco daily",
    "Light tobacco smoker",
    "Heavy tobacco smoker",
    "yes",
    "吸烟",
)
SMOKED = ("former", "Ex-smoker", "Former smoker", "已戒烟")
NEVER = ("never", "Never smoked tobacco", "Never smoker", "no", "从不吸烟")


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education"),
    why="lung function falls before chronic obstructive disease is diagnosed",
    clinical_group="lung",
)
def lung(history: Selection) -> dict[str, Reduction]:
    """Forced expiratory volume in per cent of predicted, and oxygen saturation. Unit: %."""
    fev1 = history.coded(codelist("fev1")).within(days=730)
    return {
        "fev1_last_24m": fev1.last("value"),
        "fev1_min_24m": fev1.min("value"),
        "fev1_slope_24m": fev1.slope("value"),
        "fev1_count_24m": fev1.count(),
        "spo2_last_12m": history.coded(codelist("spo2")).within(days=365).last("value"),
    }


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education", "self_test"),
    why="tobacco is the first cause of chronic obstructive disease and raises vascular risk",
    clinical_group="smoking",
    actionable=True,
)
def smoking(history: Selection) -> dict[str, Reduction]:
    """What the patient answered about smoking, and how long ago."""
    answers = history.coded(SMOKING)
    return {
        "smoking_yes_days_since": answers.where(text=SMOKES)
        .days_since()
        .labelled(label_zh="距最近回答吸烟天数", label_en="days since the answer 'smokes'"),
        "smoking_no_days_since": answers.where(text=SMOKED + NEVER)
        .days_since()
        .labelled(label_zh="距最近回答不吸烟天数", label_en="days since the answer 'does not smoke'"),
        "smoked_share": answers.where(text=SMOKES + SMOKED + NEVER)
        .share(text=SMOKES + SMOKED)
        .labelled(label_zh="回答曾吸烟的比例", label_en="share of answers 'smokes' or 'smoked'"),
    }


@derived
def smokes_now(smoking_yes_days_since: np.ndarray, smoking_no_days_since: np.ndarray) -> np.ndarray:
    """1 where the latest answer is that the patient smokes, else 0; null without an answer. Unit: 1.

    label_zh: 目前吸烟
    label_en: smokes now
    """
    latest = np.where(np.isnan(smoking_no_days_since), True, smoking_yes_days_since <= smoking_no_days_since)
    answered = ~(np.isnan(smoking_yes_days_since) & np.isnan(smoking_no_days_since))
    smokes = latest & ~np.isnan(smoking_yes_days_since)
    return np.where(answered, smokes.astype(np.float64), np.nan)
