"""What the patient reads and watches."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection


@feature_group(
    source="interactions",
    purposes=("care_followup", "health_education"),
    why="what is opened, and read to the end, shows interest and need",
    clinical_group="reading",
)
def reading(history: Selection) -> dict[str, Reduction]:
    """Items viewed: how many, how recent, how thoroughly."""
    viewed = history.where(action=("view", "finish"))
    quarter = viewed.within(days=90)
    return {
        "view_count_30d": viewed.within(days=30)
        .count()
        .labelled(label_zh="近30天阅读次数", label_en="views, last 30 days"),
        "view_count_90d": quarter.count().labelled(label_zh="近90天阅读次数", label_en="views, last 90 days"),
        "view_days_since": viewed.days_since().labelled(label_zh="距上次阅读天数", label_en="days since the last view"),
        "view_completed_share_90d": quarter.where(completed=(True, False))
        .share(completed=True)
        .labelled(label_zh="近90天读完比例", label_en="share read to the end, last 90 days"),
        "view_dwell_mean_90d": quarter.mean("dwell_s").labelled(
            label_zh="近90天平均停留秒数", label_en="mean seconds on an item, last 90 days"
        ),
        "content_distinct_90d": quarter.distinct("content_id").labelled(
            label_zh="近90天阅读内容数", label_en="different items viewed, last 90 days"
        ),
    }


@feature_group(
    source="impressions",
    purposes=("care_followup", "health_education"),
    why="what was shown and left unopened tells how far lists still reach the patient",
    clinical_group="reading",
)
def impressions(history: Selection) -> dict[str, Reduction]:
    """Items shown in lists, and the share that was opened."""
    quarter = history.within(days=90)
    return {
        "impression_count_90d": quarter.count().labelled(
            label_zh="近90天曝光次数", label_en="items shown, last 90 days"
        ),
        "impression_clicked_share_90d": quarter.where(clicked=(True, False))
        .share(clicked=True)
        .labelled(label_zh="近90天点击比例", label_en="share of shown items opened, last 90 days"),
    }
