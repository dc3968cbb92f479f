"""Churn: who will have no qualifying contact, among those expected back."""

from __future__ import annotations

from training.cohort import Cohort
from training.outcome import NoContact, NoLogin
from training.task import Inputs, Task, TimeAtRisk
from training.tasks.criteria import ALIVE, EXPECTED_BACK, NOT_ADMITTED, ONLINE, SEEN_THIS_YEAR, STAYED

GROUPS = (
    "visits",
    "no_shows",
    "care_plan",
    "comorbidity",
    "medication",
    "adherence",
    "home_monitoring",
    "online_activity",
    "reading",
    "contact_history",
    "feedback",
)
UNBOUNDED = (
    "visit_count_730d",
    "revisit_interval_days",
    "revisit_overrun",
    "tenure_days",
    "no_show_days_since",
    "check_up_days_since",
    "care_plan_days_since",
    "contact_days_since",
    "chronic_days_since",
    "chronic_code_distinct",
)
"""Features that reach further back than a year: they would drift as the records grow."""

CHURN_90D = Task(
    name="churn_90d",
    kind="churn",
    zh="未来90天流失（无有效接触）",
    en="lost within 90 days (no qualifying contact)",
    purposes=("care_followup",),
    time=TimeAtRisk(horizon_days=90, lookback_days=365),
    cohort=Cohort((ALIVE, STAYED, NOT_ADMITTED, SEEN_THIS_YEAR, EXPECTED_BACK)),
    outcome=NoContact(),
    inputs=Inputs(
        clinical_groups=GROUPS,
        core=(
            "visit_days_since",
            "visit_count_365d",
            "visit_count_90d",
            "care_plan_overdue_days",
            "supply_overdue_days",
            "booking_count_ahead",
            "visit_count_30d",
            "no_show_share_365d",
            "supply_coverage_90d",
            "online_count_30d",
            "online_days_since",
            "chronic_code_count_365d",
            "care_plan_exists",
            "contact_count_90d",
            "pharmacy_count_365d",
            "prescription_count_90d",
        ),
        left_out=UNBOUNDED,
        baselines={"recency": ("visit_days_since", "up")},
        rhythm=True,
        rfm=("visit_days_since", "visit_count_365d", "fee_sum_365d"),
    ),
)

CHURN_LOGIN_30D = Task(
    name="churn_login_30d",
    kind="churn",
    zh="未来30天不再登录（线上流失）",
    en="no log-in within 30 days, among those active on line",
    purposes=("care_followup",),
    time=TimeAtRisk(horizon_days=30, lookback_days=365),
    cohort=Cohort((ALIVE, STAYED, NOT_ADMITTED, ONLINE)),
    outcome=NoLogin(),
    inputs=Inputs(
        clinical_groups=GROUPS,
        core=(
            "online_days_since",
            "online_count_30d",
            "online_count_90d",
            "online_count_7d",
            "login_days_since",
            "login_count_30d",
            "online_trend",
            "check_in_count_30d",
            "search_count_90d",
            "social_count_90d",
            "channel_distinct_90d",
            "visit_days_since",
            "visit_count_90d",
            "booking_count_ahead",
            "contact_count_90d",
            "supply_coverage_90d",
        ),
        left_out=UNBOUNDED,
        baselines={"recency": ("online_days_since", "up")},
        rfm=("online_days_since", "online_count_90d", "fee_sum_365d"),
    ),
)
