"""Signs that the patient is acutely ill: outreach then stops, whatever its purpose."""

from __future__ import annotations

from features import feature_group
from features.codes import codelist
from features.groups.eligibility import PURPOSES
from features.history import Reduction, Selection

WHY = "nobody who is acutely ill is sent anything but care"


@feature_group(source="diagnoses", purposes=PURPOSES, why=WHY, clinical_group="eligibility")
def acuity(history: Selection) -> dict[str, Reduction]:
    """Days since chest pain and since an acute infection were recorded. Unit: d."""
    return {
        "chest_pain_days_since": history.coded(codelist("chest_pain")).days_since(),
        "acute_infection_days_since": history.coded(codelist("acute_infection")).days_since(),
    }


@feature_group(source="encounters", purposes=PURPOSES, why=WHY, clinical_group="eligibility")
def acuity_visits(history: Selection) -> dict[str, Reduction]:
    """Days since an emergency visit that began. Unit: d."""
    return {
        "emergency_days_since": history.where(kind="emergency", status=("in_progress", "finished"))
        .days_since()
        .labelled(label_zh="距最近急诊天数", label_en="days since the latest emergency visit")
    }
