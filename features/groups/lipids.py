"""Blood lipids."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.codes import codelist
from features.history import Reduction, Selection


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education"),
    why="lipids carry the risk of vascular disease and move with insulin resistance",
    clinical_group="lipids",
    actionable=True,
)
def lipids(history: Selection) -> dict[str, Reduction]:
    """Latest cholesterol fractions and triglycerides. Unit: mmol/L."""
    ldl = history.coded(codelist("ldl")).within(days=730)
    return {
        "total_cholesterol_last_24m": history.coded(codelist("total_cholesterol")).within(days=730).last("value"),
        "ldl_last_24m": ldl.last("value"),
        "ldl_slope_24m": ldl.slope("value"),
        "ldl_count_24m": ldl.count(),
        "hdl_last_24m": history.coded(codelist("hdl")).within(days=730).last("value"),
        "triglycerides_last_24m": history.coded(codelist("triglycerides")).within(days=730).last("value"),
    }


@derived
def triglycerides_to_hdl(triglycerides_last_24m: np.ndarray, hdl_last_24m: np.ndarray) -> np.ndarray:
    """Triglycerides over HDL cholesterol, both in mmol/L: a mark of insulin resistance. Unit: 1.

    label_zh: 甘油三酯与高密度脂蛋白胆固醇比值
    label_en: triglycerides to HDL ratio
    """
    return triglycerides_last_24m / np.where(hdl_last_24m > 0, hdl_last_24m, np.nan)
