"""Medicines: which classes, and how well the supply lasts."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.codes import codelist
from features.history import Reduction, Selection

LONG_TERM = tuple(
    codelist(name) for name in ("antidiabetics", "antihypertensives", "statins", "antiplatelets", "inhalers")
)


@feature_group(
    source="prescriptions",
    purposes=("care_followup", "screening_invitation", "health_education"),
    why="treatment shows what is managed here, and changes the risk that a value stands for",
    clinical_group="medication",
)
def medication(history: Selection) -> dict[str, Reduction]:
    """Classes prescribed within a year, and how many medicines."""
    year = history.within(days=365)
    return {f"{each.name}_365d": year.coded(each).exists() for each in LONG_TERM} | {
        "insulin_365d": year.coded(codelist("insulin")).exists(),
        "metformin_365d": year.coded(codelist("metformin")).exists(),
        "medicine_distinct_365d": year.distinct("code").labelled(
            label_zh="近一年药物种数", label_en="different medicines, last year"
        ),
        "prescription_count_90d": history.within(days=90)
        .count()
        .labelled(label_zh="近90天处方数", label_en="prescriptions, last 90 days"),
        "prescription_count_365d": year.count().labelled(label_zh="近一年处方数", label_en="prescriptions, last year"),
    }


@feature_group(
    source="prescriptions",
    purposes=("care_followup", "health_education"),
    why="a supply that has run out is the first sign of a treatment given up",
    clinical_group="adherence",
    actionable=True,
)
def adherence(history: Selection) -> dict[str, Reduction]:
    """Proportion of days covered by long-term medicines, and the latest fill. Unit: 1."""
    long_term = history.coded(*LONG_TERM)
    covered = {
        f"{each.name}_coverage_180d": history.coded(each).within(days=180).coverage("days_supply") for each in LONG_TERM
    }
    return covered | {
        "supply_coverage_90d": long_term.within(days=90)
        .coverage("days_supply")
        .labelled(label_zh="近90天长期用药覆盖率", label_en="days covered by long-term medicines, last 90 days"),
        "supply_coverage_365d": long_term.within(days=365)
        .coverage("days_supply")
        .labelled(label_zh="近一年长期用药覆盖率", label_en="days covered by long-term medicines, last year"),
        "supply_days_since": long_term.days_since().labelled(
            label_zh="距上次长期用药取药天数", label_en="days since the last long-term fill"
        ),
        "supply_last": long_term.last("days_supply").labelled(
            label_zh="上次长期用药供应天数", label_en="days supplied at the last long-term fill"
        ),
    }


@derived
def supply_overdue_days(supply_days_since: np.ndarray, supply_last: np.ndarray) -> np.ndarray:
    """Days since the last long-term fill ran out; negative while it lasts. Unit: d.

    label_zh: 长期用药断药天数
    label_en: days since long-term medicines ran out
    """
    return supply_days_since - supply_last


@derived
def adherence_trend(supply_coverage_90d: np.ndarray, supply_coverage_365d: np.ndarray) -> np.ndarray:
    """Coverage of the last 90 days less that of the last year. Unit: 1.

    label_zh: 用药覆盖率变化
    label_en: change in days covered
    """
    return supply_coverage_90d - supply_coverage_365d
