"""Readings that the patient's own devices sent."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.codes import codelist
from features.history import Reduction, Selection


@feature_group(
    source="observations",
    purposes=("care_followup", "health_education"),
    why="who stops measuring at home is about to stop coming, and home values show control between visits",
    clinical_group="home_monitoring",
    actionable=True,
)
def home_monitoring(history: Selection) -> dict[str, Reduction]:
    """Home readings: how many, how recent, and their mean."""
    device = history.where(origin="device")
    month = device.within(days=30)
    return {
        "device_count_30d": month.count().labelled(
            label_zh="近30天家庭测量次数", label_en="home readings, last 30 days"
        ),
        "device_count_90d": device.within(days=90)
        .count()
        .labelled(label_zh="近90天家庭测量次数", label_en="home readings, last 90 days"),
        "device_days_since": device.days_since().labelled(
            label_zh="距上次家庭测量天数", label_en="days since the last home reading"
        ),
        "device_systolic_mean_30d": month.coded(codelist("systolic"))
        .mean("value")
        .labelled(label_zh="近30天家庭收缩压均值", label_en="mean home systolic pressure, last 30 days"),
        "device_glucose_mean_30d": month.coded(codelist("glucose_fasting"), codelist("glucose_random"))
        .mean("value")
        .labelled(label_zh="近30天家庭血糖均值", label_en="mean home glucose, last 30 days"),
    }


@derived
def device_trend(device_count_30d: np.ndarray, device_count_90d: np.ndarray) -> np.ndarray:
    """Home readings a month at the pace of the last 30 days, less that of the last 90. Unit: /mo.

    label_zh: 家庭测量频率变化
    label_en: change in the pace of home readings
    """
    return device_count_30d - device_count_90d / 3.0
