"""What the patient does on line."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.history import Reduction, Selection

SOCIAL = ("like", "comment", "bookmark", "follow", "share")


@feature_group(
    source="interactions",
    purposes=("care_followup", "health_education", "service_marketing"),
    why="activity on line falls before a patient is lost",
    clinical_group="online_activity",
)
def online_activity(history: Selection) -> dict[str, Reduction]:
    """Own actions by window, log-ins, channels, and how recent they are."""
    month, quarter = history.within(days=30), history.within(days=90)
    return {
        "online_days_since": history.days_since().labelled(
            label_zh="距上次线上行为天数", label_en="days since the last action on line"
        ),
        "online_count_7d": history.within(days=7)
        .count()
        .labelled(label_zh="近7天线上行为次数", label_en="actions on line, last 7 days"),
        "online_count_30d": month.count().labelled(
            label_zh="近30天线上行为次数", label_en="actions on line, last 30 days"
        ),
        "online_count_90d": quarter.count().labelled(
            label_zh="近90天线上行为次数", label_en="actions on line, last 90 days"
        ),
        "login_days_since": history.where(action="login")
        .days_since()
        .labelled(label_zh="距上次登录天数", label_en="days since the last log-in"),
        "login_count_30d": month.where(action="login")
        .count()
        .labelled(label_zh="近30天登录次数", label_en="log-ins, last 30 days"),
        "check_in_count_30d": month.where(action="check_in")
        .count()
        .labelled(label_zh="近30天打卡次数", label_en="check-ins, last 30 days"),
        "search_count_90d": quarter.where(action="search")
        .count()
        .labelled(label_zh="近90天搜索次数", label_en="searches, last 90 days"),
        "social_count_90d": quarter.where(action=SOCIAL)
        .count()
        .labelled(label_zh="近90天互动次数", label_en="likes, comments and shares, last 90 days"),
        "channel_distinct_90d": quarter.distinct("channel").labelled(
            label_zh="近90天使用渠道数", label_en="channels used, last 90 days"
        ),
        "app_share_90d": quarter.share(channel="app").labelled(
            label_zh="近90天应用内行为比例", label_en="share of actions in the app, last 90 days"
        ),
    }


@derived
def online_trend(online_count_30d: np.ndarray, online_count_90d: np.ndarray) -> np.ndarray:
    """Actions a month at the pace of the last 30 days, less that of the last 90. Unit: /mo.

    label_zh: 线上活跃度变化
    label_en: change in the pace of actions on line
    """
    return online_count_30d - online_count_90d / 3.0
