"""Kidney function and uric acid."""

from __future__ import annotations

from features import feature_group
from features.codes import codelist
from features.history import Reduction, Selection


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education"),
    why="falling filtration is silent until late",
    clinical_group="kidney",
)
def kidney(history: Selection) -> dict[str, Reduction]:
    """Creatinine, estimated filtration, uric acid."""
    egfr = history.coded(codelist("egfr")).within(days=730)
    uric_acid = history.coded(codelist("uric_acid"))
    return {
        "creatinine_last_24m": history.coded(codelist("creatinine")).within(days=730).last("value"),
        "egfr_last_24m": egfr.last("value"),
        "egfr_min_24m": egfr.min("value"),
        "egfr_slope_24m": egfr.slope("value"),
        "egfr_count_24m": egfr.count(),
        "uric_acid_last_12m": uric_acid.within(days=365).last("value"),
        "uric_acid_last_24m": uric_acid.within(days=730).last("value"),
    }
