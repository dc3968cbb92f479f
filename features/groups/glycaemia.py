"""Blood sugar: level, trend, recency."""

from __future__ import annotations

from features import feature_group
from features.codes import codelist
from features.history import Reduction, Selection

HBA1C = codelist("hba1c")
FASTING = codelist("glucose_fasting")
RANDOM = codelist("glucose_random")


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education"),
    why="long-term glucose control decides on follow-up and on screening for diabetes",
    clinical_group="glucose",
    actionable=True,
)
def glycaemia(history: Selection) -> dict[str, Reduction]:
    """HbA1c level, trend and recency. Unit: % (NGSP)."""
    hba1c = history.coded(HBA1C)
    year, two_years = hba1c.within(days=365), hba1c.within(days=730)
    return {
        "hba1c_last_12m": year.last("value"),
        "hba1c_last_24m": two_years.last("value"),
        "hba1c_mean_24m": two_years.mean("value"),
        "hba1c_max_24m": two_years.max("value"),
        "hba1c_slope_12m": year.slope("value"),
        "hba1c_slope_24m": two_years.slope("value"),
        "hba1c_days_since": hba1c.days_since(),
        "hba1c_count_24m": two_years.count(),
    }


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education"),
    why="glucose rises before diabetes is diagnosed",
    clinical_group="glucose",
    actionable=True,
)
def glucose(history: Selection) -> dict[str, Reduction]:
    """Fasting and random glucose in the laboratory or clinic. Unit: mmol/L."""
    fasting, other = history.coded(FASTING), history.coded(RANDOM)
    return {
        "glucose_fasting_last_24m": fasting.within(days=730).last("value"),
        "glucose_fasting_mean_24m": fasting.within(days=730).mean("value"),
        "glucose_fasting_max_24m": fasting.within(days=730).max("value"),
        "glucose_fasting_slope_24m": fasting.within(days=730).slope("value"),
        "glucose_fasting_count_24m": fasting.within(days=730).count(),
        "glucose_random_last_12m": other.within(days=365).last("value"),
        "glucose_random_mean_24m": other.within(days=730).mean("value"),
        "glucose_random_max_24m": other.within(days=730).max("value"),
        "glucose_random_count_24m": other.within(days=730).count(),
    }
