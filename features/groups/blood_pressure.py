"""Blood pressure: level, spread, trend."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.codes import codelist
from features.history import Reduction, Selection

SYSTOLIC = codelist("systolic")
DIASTOLIC = codelist("diastolic")


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education", "self_test"),
    why="high pressure raises the risk of heart, brain and kidney disease",
    clinical_group="blood_pressure",
    actionable=True,
)
def blood_pressure(history: Selection) -> dict[str, Reduction]:
    """Systolic and diastolic pressure from any origin. Unit: mmHg."""
    systolic, diastolic = history.coded(SYSTOLIC), history.coded(DIASTOLIC)
    year = systolic.within(days=365)
    return {
        "systolic_last_12m": year.last("value"),
        "systolic_mean_12m": year.mean("value"),
        "systolic_max_12m": year.max("value"),
        "systolic_std_12m": year.std("value"),
        "systolic_slope_24m": systolic.within(days=730).slope("value"),
        "systolic_count_12m": year.count(),
        "diastolic_last_12m": diastolic.within(days=365).last("value"),
        "diastolic_mean_12m": diastolic.within(days=365).mean("value"),
    }


@derived
def pulse_pressure(systolic_mean_12m: np.ndarray, diastolic_mean_12m: np.ndarray) -> np.ndarray:
    """Mean systolic less mean diastolic pressure over a year. Unit: mmHg.

    label_zh: 近12个月平均脉压
    label_en: mean pulse pressure, last 12 months
    """
    return systolic_mean_12m - diastolic_mean_12m
