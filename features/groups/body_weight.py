"""Body size: weight, index, waist, and how they move."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.codes import codelist
from features.history import Reduction, Selection


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education", "self_test"),
    why="overweight precedes diabetes, hypertension and heart disease",
    clinical_group="body_weight",
    actionable=True,
)
def body_weight(history: Selection) -> dict[str, Reduction]:
    """Recorded index, weight, height and waist."""
    weight = history.coded(codelist("weight")).within(days=730)
    bmi = history.coded(codelist("bmi")).within(days=730)
    return {
        "bmi_last_24m": bmi.last("value"),
        "bmi_slope_24m": bmi.slope("value"),
        "weight_last_24m": weight.last("value"),
        "weight_slope_24m": weight.slope("value"),
        "height_last": history.coded(codelist("height")).last("value"),
        "waist_last_24m": history.coded(codelist("waist")).within(days=730).last("value"),
    }


@derived
def bmi(bmi_last_24m: np.ndarray, weight_last_24m: np.ndarray, height_last: np.ndarray) -> np.ndarray:
    """Body mass index: as recorded, else weight (kg) over the square of height (m). Unit: kg/m2.

    label_zh: 体质指数
    label_en: body mass index
    """
    metres = np.where(height_last > 0, height_last, np.nan) / 100.0
    return np.where(np.isnan(bmi_last_24m), weight_last_24m / metres**2, bmi_last_24m)


@derived
def waist_to_height(waist_last_24m: np.ndarray, height_last: np.ndarray) -> np.ndarray:
    """Waist over height. Unit: 1.

    label_zh: 腰高比
    label_en: waist to height ratio
    """
    return waist_last_24m / np.where(height_last > 0, height_last, np.nan)
