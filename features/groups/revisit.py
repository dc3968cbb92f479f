"""The patient's own revisit interval, and by how much it is overrun."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.history import Reduction, Selection

TWO_YEARS = 730.0


@feature_group(
    source="encounters",
    purposes=("care_followup", "service_marketing"),
    why="a patient is late by the measure of the own rhythm, not by that of others",
    clinical_group="revisit_interval",
)
def revisit(history: Selection) -> dict[str, Reduction]:
    """Finished contacts over two years: what the personal interval is made of."""
    return {
        "visit_count_730d": history.where(status="finished")
        .within(days=TWO_YEARS)
        .count()
        .labelled(label_zh="近两年就诊次数", label_en="visits, last two years")
    }


@derived
def revisit_interval_days(visit_count_730d: np.ndarray, tenure_days: np.ndarray) -> np.ndarray:
    """Mean time between contacts over the last two years, or since registration if that is less. Unit: d.

    label_zh: 个人复诊间隔
    label_en: personal revisit interval
    """
    watched = np.where(np.isnan(tenure_days), TWO_YEARS, np.clip(tenure_days, 1.0, TWO_YEARS))
    return watched / np.where(visit_count_730d > 0, visit_count_730d, np.nan)


@derived
def revisit_overrun(visit_count_730d: np.ndarray, tenure_days: np.ndarray, visit_days_since: np.ndarray) -> np.ndarray:
    """Time since the last contact in units of the personal revisit interval. Unit: 1.

    label_zh: 复诊间隔超期倍数
    label_en: overrun of the revisit interval
    """
    watched = np.where(np.isnan(tenure_days), TWO_YEARS, np.clip(tenure_days, 1.0, TWO_YEARS))
    return visit_days_since * visit_count_730d / watched
