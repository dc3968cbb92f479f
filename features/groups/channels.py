"""By which channel the patient acts on line."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection


@feature_group(
    source="interactions",
    purposes=("care_followup", "health_education", "service_marketing"),
    why="a patient is reached where the patient is",
    clinical_group="online_activity",
)
def channels(history: Selection) -> dict[str, Reduction]:
    """Share of actions by channel over 90 days; that of the app stands in online_activity. Unit: 1."""
    quarter = history.within(days=90)
    names = (("mini_program", "小程序"), ("wechat", "微信"), ("web", "网页"))
    return {
        f"{name}_share_90d": quarter.share(channel=name).labelled(
            label_zh=f"近90天{zh}行为比例", label_en=f"share of actions by {name.replace('_', ' ')}, last 90 days"
        )
        for name, zh in names
    }
