"""How steadily the patient uses health tools: devices, own records, check-ins."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.history import Reduction, Selection

WEEK = 7.0
"""Days that one use of a tool stands for."""


@feature_group(
    source="observations",
    purposes=("care_followup", "health_education", "service_marketing"),
    why="steady measuring at home shows who is engaged in the own care",
    clinical_group="home_monitoring",
    actionable=True,
)
def device_use(history: Selection) -> dict[str, Reduction]:
    """Share of the last 90 days within a week after a reading that the patient sent. Unit: 1."""
    sent = history.where(origin=("device", "patient")).within(days=90)
    return {
        "device_coverage_90d": sent.coverage(WEEK).labelled(
            label_zh="近90天自测覆盖率", label_en="share of days within a week of an own reading, last 90 days"
        )
    }


@feature_group(
    source="interactions",
    purposes=("care_followup", "health_education", "service_marketing"),
    why="steady check-ins show who is engaged in the own care",
    clinical_group="online_activity",
)
def check_in_use(history: Selection) -> dict[str, Reduction]:
    """Share of the last 90 days within a week after a check-in. Unit: 1."""
    return {
        "check_in_coverage_90d": history.where(action="check_in")
        .within(days=90)
        .coverage(WEEK)
        .labelled(label_zh="近90天打卡覆盖率", label_en="share of days within a week of a check-in, last 90 days")
    }


@derived
def health_tool_use_90d(device_coverage_90d: np.ndarray, check_in_coverage_90d: np.ndarray) -> np.ndarray:
    """The greater of the two shares: own readings, check-ins. Unit: 1.

    label_zh: 近90天健康工具使用率
    label_en: use of health tools, last 90 days
    """
    return np.fmax(device_coverage_90d, check_in_coverage_90d)
