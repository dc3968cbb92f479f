"""How the patient was contacted, and answered."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection

SENT = ("sent", "delivered", "read", "replied")


@feature_group(
    source="contacts",
    purposes=("care_followup", "service_marketing"),
    why="past outreach changes what follows, and too much of it drives patients away",
    clinical_group="contact_history",
)
def contact_history(history: Selection) -> dict[str, Reduction]:
    """Outreach received, and the share that was read or answered; each contact in its latest status."""
    sent = history.where(status=SENT)
    half_year = sent.within(days=180)
    return {
        "contact_days_since": sent.days_since().labelled(
            label_zh="距上次触达天数", label_en="days since the last outreach"
        ),
        "contact_count_30d": sent.within(days=30)
        .count()
        .labelled(label_zh="近30天触达次数", label_en="outreach, last 30 days"),
        "contact_count_90d": sent.within(days=90)
        .count()
        .labelled(label_zh="近90天触达次数", label_en="outreach, last 90 days"),
        "contact_read_share_180d": half_year.share(status=("read", "replied")).labelled(
            label_zh="近180天触达阅读比例", label_en="share of outreach read, last 180 days"
        ),
        "contact_replied_share_180d": half_year.share(status="replied").labelled(
            label_zh="近180天触达回复比例", label_en="share of outreach answered, last 180 days"
        ),
        "contact_failed_count_180d": history.where(status=("failed", "refused"))
        .within(days=180)
        .count()
        .labelled(label_zh="近180天触达失败或拒收次数", label_en="outreach failed or refused, last 180 days"),
    }
