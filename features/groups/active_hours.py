"""At which hours the patient is on line."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection

PARTS = (
    ("night", "夜间0-6时", range(0, 6)),
    ("morning", "上午6-12时", range(6, 12)),
    ("afternoon", "下午12-18时", range(12, 18)),
    ("evening", "晚间18-24时", range(18, 24)),
)


@feature_group(
    source="interactions",
    purposes=("care_followup", "health_education", "service_marketing"),
    why="a message sent at the hours of activity is read, and disturbs less",
    clinical_group="online_activity",
)
def active_hours(history: Selection) -> dict[str, Reduction]:
    """Share of actions by part of the day, in the hospital's zone. Unit: 1."""
    quarter = history.within(days=90)
    return {
        f"online_{name}_share_90d": quarter.share(local_hour=tuple(hours)).labelled(
            label_zh=f"近90天{zh}行为比例",
            label_en=f"share of actions from {hours.start} to {hours.stop} o'clock, last 90 days",
        )
        for name, zh, hours in PARTS
    }
