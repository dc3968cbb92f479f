"""Churn: who will have no qualifying contact, among those expected back."""

from __future__ import annotations

from training.cohort import Cohort
from training.outcome import NoContact
from training.task import Inputs, Task, TimeAtRisk
from training.tasks.criteria import ALIVE, EXPECTED_BACK, NOT_ADMITTED, SEEN_THIS_YEAR, STAYED

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
        clinical_groups=(
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
        ),
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
        left_out=(
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
        ),
        baselines={"recency": ("visit_days_since", "up")},
    ),
)
