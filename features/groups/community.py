"""What the patient does with others: comments, likes, check-in challenges."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection

TOGETHER = ("like", "comment", "share", "follow", "check_in")


@feature_group(
    source="interactions",
    purposes=("care_followup", "health_education", "service_marketing"),
    why="who takes part in the patient community is reached there, and stays longer",
    clinical_group="online_activity",
)
def community(history: Selection) -> dict[str, Reduction]:
    """Activity in the patient community: likes, comments, shares, follows and check-ins."""
    quarter = history.within(days=90)
    together = history.where(action=TOGETHER)
    return {
        "community_count_30d": together.within(days=30)
        .count()
        .labelled(label_zh="近30天社区行为次数", label_en="actions in the community, last 30 days"),
        "community_count_90d": together.within(days=90)
        .count()
        .labelled(label_zh="近90天社区行为次数", label_en="actions in the community, last 90 days"),
        "community_days_since": together.days_since().labelled(
            label_zh="距上次社区行为天数", label_en="days since the last action in the community"
        ),
        "community_share_90d": quarter.share(action=TOGETHER).labelled(
            label_zh="近90天社区行为比例", label_en="share of actions in the community, last 90 days"
        ),
        "comment_count_90d": quarter.where(action="comment")
        .count()
        .labelled(label_zh="近90天评论次数", label_en="comments, last 90 days"),
        "check_in_count_90d": quarter.where(action="check_in")
        .count()
        .labelled(label_zh="近90天打卡次数", label_en="check-ins, last 90 days"),
    }
