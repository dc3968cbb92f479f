"""Whether a chronic disease is under control, by the cuts that operators watch."""

from __future__ import annotations

import numpy as np

from features.derived import derived

HBA1C_CUT = 7.0
SYSTOLIC_CUT, DIASTOLIC_CUT = 140.0, 90.0


@derived
def hba1c_controlled(hba1c_last_12m: np.ndarray) -> np.ndarray:
    """1 where the latest HbA1c of a year is below 7 % (达标), else 0; null without one. Unit: 1.

    label_zh: 糖化血红蛋白达标（近12个月）
    label_en: HbA1c below 7 %, last 12 months
    """
    return np.where(np.isnan(hba1c_last_12m), np.nan, hba1c_last_12m < HBA1C_CUT)


@derived
def blood_pressure_controlled(systolic_last_12m: np.ndarray, diastolic_last_12m: np.ndarray) -> np.ndarray:
    """1 where the latest pressure of a year is below 140/90 mmHg, else 0; null without both. Unit: 1.

    label_zh: 血压达标（近12个月）
    label_en: blood pressure below 140/90 mmHg, last 12 months
    """
    known = ~np.isnan(systolic_last_12m) & ~np.isnan(diastolic_last_12m)
    below = (systolic_last_12m < SYSTOLIC_CUT) & (diastolic_last_12m < DIASTOLIC_CUT)
    return np.where(known, below, np.nan)
