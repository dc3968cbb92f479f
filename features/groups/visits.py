"""How recently and how often the patient came, of what kind, and what was missed or is booked."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.history import Reduction, Selection


@feature_group(
    source="encounters",
    purposes=("care_followup", "screening_invitation", "service_marketing"),
    why="recency and frequency of contact tell who is drifting away",
    clinical_group="visits",
)
def visits(history: Selection) -> dict[str, Reduction]:
    """Finished contacts: recency, frequency, kinds, departments."""
    finished = history.where(status="finished")
    year = finished.within(days=365)
    return {
        "visit_days_since": finished.days_since().labelled(label_zh="距上次就诊天数", label_en="days since last visit"),
        "visit_count_30d": finished.within(days=30)
        .count()
        .labelled(label_zh="近30天就诊次数", label_en="visits, last 30 days"),
        "visit_count_90d": finished.within(days=90)
        .count()
        .labelled(label_zh="近90天就诊次数", label_en="visits, last 90 days"),
        "visit_count_180d": finished.within(days=180)
        .count()
        .labelled(label_zh="近180天就诊次数", label_en="visits, last 180 days"),
        "visit_count_365d": year.count().labelled(label_zh="近一年就诊次数", label_en="visits, last year"),
        "outpatient_count_365d": year.where(kind="outpatient")
        .count()
        .labelled(label_zh="近一年门诊次数", label_en="outpatient visits, last year"),
        "online_visit_count_365d": year.where(kind="online")
        .count()
        .labelled(label_zh="近一年在线问诊次数", label_en="online consultations, last year"),
        "pharmacy_count_365d": year.where(kind="pharmacy")
        .count()
        .labelled(label_zh="近一年取药次数", label_en="pharmacy pick-ups, last year"),
        "follow_up_count_365d": year.where(kind="follow_up")
        .count()
        .labelled(label_zh="近一年随访应答次数", label_en="answered follow-ups, last year"),
        "emergency_count_365d": year.where(kind="emergency")
        .count()
        .labelled(label_zh="近一年急诊次数", label_en="emergency visits, last year"),
        "inpatient_count_365d": year.where(kind="inpatient")
        .count()
        .labelled(label_zh="近一年住院次数", label_en="hospital stays, last year"),
        "check_up_days_since": finished.where(kind="check_up")
        .days_since()
        .labelled(label_zh="距上次体检天数", label_en="days since last check-up"),
        "department_distinct_365d": year.distinct("department").labelled(
            label_zh="近一年就诊科室数", label_en="departments visited, last year"
        ),
    }


@derived
def visit_trend(visit_count_90d: np.ndarray, visit_count_365d: np.ndarray) -> np.ndarray:
    """Visits a year at the pace of the last 90 days, less those of the last year. Unit: /a.

    label_zh: 就诊频率变化
    label_en: change in the pace of visits
    """
    return visit_count_90d * 365.0 / 90.0 - visit_count_365d


@feature_group(
    source="encounters",
    purposes=("care_followup",),
    why="missed and cancelled appointments precede a loss of contact",
    clinical_group="no_shows",
    actionable=True,
)
def no_shows(history: Selection) -> dict[str, Reduction]:
    """Appointments missed or cancelled, and bookings that passed without being closed."""
    year = history.within(days=365)
    kept_or_not = year.where(status=("finished", "no_show"))
    return {
        "no_show_count_365d": year.where(status="no_show")
        .count()
        .labelled(label_zh="近一年爽约次数", label_en="missed appointments, last year"),
        "no_show_share_365d": kept_or_not.share(status="no_show").labelled(
            label_zh="近一年爽约比例", label_en="share of appointments missed, last year"
        ),
        "no_show_days_since": history.where(status="no_show")
        .days_since()
        .labelled(label_zh="距上次爽约天数", label_en="days since last missed appointment"),
        "cancelled_count_365d": year.where(status="cancelled")
        .count()
        .labelled(label_zh="近一年取消次数", label_en="cancelled appointments, last year"),
        "booking_lapsed_count_90d": history.within(days=90)
        .where(status="planned")
        .count()
        .labelled(label_zh="近90天过期未结预约数", label_en="bookings that passed unclosed, last 90 days"),
    }


@feature_group(
    source="encounters",
    purposes=("care_followup", "service_marketing"),
    why="a booked appointment is the plainest sign that the patient means to return",
    clinical_group="visits",
    actionable=True,
)
def bookings(history: Selection) -> dict[str, Reduction]:
    """Appointments known at the landmark that are still ahead; days are negative."""
    ahead = history.upcoming().where(status="planned")
    return {
        "booking_count_ahead": ahead.count().labelled(label_zh="未来预约数", label_en="bookings ahead"),
        "booking_next_days_since": ahead.days_since().labelled(
            label_zh="距下次预约天数（负值为将来）", label_en="days since the next booking (negative: ahead)"
        ),
    }
