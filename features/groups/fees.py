"""What was charged. It may sort service offers; it never decides medical priority or price."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection


@feature_group(
    source="encounters",
    purposes=("service_marketing",),
    why="service offers are sorted by what a patient uses",
    clinical_group="fees",
    protected=True,
)
def fees(history: Selection) -> dict[str, Reduction]:
    """Fees of finished contacts. Unit: CNY."""
    year = history.where(status="finished").within(days=365)
    return {
        "fee_sum_365d": year.sum("fee").labelled(label_zh="近一年费用合计", label_en="fees, last year"),
        "fee_mean_365d": year.mean("fee").labelled(label_zh="近一年次均费用", label_en="mean fee, last year"),
        "fee_max_365d": year.max("fee").labelled(label_zh="近一年最高单次费用", label_en="greatest fee, last year"),
    }
