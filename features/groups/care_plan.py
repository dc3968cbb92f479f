"""The agreed follow-up: is there one, and is its next step overdue."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection


@feature_group(
    source="care_plans",
    purposes=("care_followup", "health_education"),
    why="the plan says when the patient should come back",
    clinical_group="care_plan",
    actionable=True,
)
def care_plan(history: Selection) -> dict[str, Reduction]:
    """Plans agreed, and days since the next step fell due (negative: still ahead). Unit: d."""
    return {
        "care_plan_exists": history.exists().labelled(label_zh="有随访计划", label_en="has a care plan"),
        "care_plan_overdue_days": history.days_since("next_due").labelled(
            label_zh="随访逾期天数（负值为未到期）", label_en="days overdue by the care plan (negative: not yet due)"
        ),
        "care_plan_days_since": history.days_since().labelled(
            label_zh="距最近随访计划天数", label_en="days since the latest care plan"
        ),
        "care_plan_count_365d": history.within(days=365)
        .count()
        .labelled(label_zh="近一年随访计划数", label_en="care plans, last year"),
    }
