"""What the patient said about the care."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection


@feature_group(
    source="feedback",
    purposes=("care_followup", "service_marketing"),
    why="patients who rate their care low leave more often",
    clinical_group="feedback",
    actionable=True,
)
def feedback(history: Selection) -> dict[str, Reduction]:
    """Ratings from 0 to 10. Unit: 1."""
    year = history.within(days=365)
    return {
        "rating_last": history.last("rating").labelled(label_zh="最近评分", label_en="latest rating"),
        "rating_mean_365d": year.mean("rating").labelled(label_zh="近一年平均评分", label_en="mean rating, last year"),
        "rating_min_365d": year.min("rating").labelled(label_zh="近一年最低评分", label_en="lowest rating, last year"),
        "rating_nps_last": history.where(dimension="nps")
        .last("rating")
        .labelled(label_zh="最近推荐意愿评分", label_en="latest readiness to recommend"),
        "feedback_count_365d": year.count().labelled(label_zh="近一年反馈次数", label_en="ratings given, last year"),
    }
