"""Whether the patient has been contacted too often, or does not want it."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.groups.contact_history import SENT
from features.history import Reduction, Selection


@feature_group(
    source="contacts",
    purposes=("care_followup", "service_marketing"),
    why="who is contacted too often stops reading, and then leaves",
    clinical_group="contact_history",
)
def fatigue(history: Selection) -> dict[str, Reduction]:
    """Outreach of the last week, by how many channels, left unread, and refused."""
    sent = history.where(status=SENT)
    quarter = sent.within(days=90)
    return {
        "contact_count_7d": sent.within(days=7).count(label_zh="近7天触达次数", label_en="outreach, last 7 days"),
        "contact_channel_distinct_90d": quarter.distinct(
            "channel", label_zh="近90天触达渠道数", label_en="channels of outreach, last 90 days"
        ),
        "contact_campaign_distinct_90d": quarter.distinct(
            "campaign", label_zh="近90天触达活动数", label_en="campaigns of outreach, last 90 days"
        ),
        "contact_unread_share_90d": quarter.share(
            status=("sent", "delivered"),
            label_zh="近90天触达未读比例",
            label_en="share of outreach unread, last 90 days",
        ),
        "contact_refused_days_since": history.where(status="refused").days_since(
            label_zh="距上次拒收天数", label_en="days since outreach was refused"
        ),
    }


@derived
def contact_pressure(contact_count_7d: np.ndarray, contact_count_30d: np.ndarray) -> np.ndarray:
    """Outreach of the last week at a monthly pace, less that of the last 30 days. Unit: /mo.

    label_zh: 触达频率变化
    label_en: change in the pace of outreach
    """
    return contact_count_7d * 30.0 / 7.0 - contact_count_30d
