"""The catalogue: every registered group and derived feature, in the order of a vector's columns."""

from __future__ import annotations

from features.derived import Derived
from features.group import FeatureGroup
from features.groups import (
    blood_pressure,
    body_weight,
    care_plan,
    contact_history,
    demography,
    diagnoses,
    eligibility,
    family_history,
    feedback,
    fees,
    glycaemia,
    home_monitoring,
    kidney,
    lipids,
    lung,
    medication,
    online_activity,
    reading,
    revisit,
    visits,
)

CATALOGUE: tuple[FeatureGroup | Derived, ...] = (
    demography.age,
    demography.age_years,
    demography.sex,
    demography.insurance,
    demography.tenure,
    visits.visits,
    visits.visit_trend,
    visits.no_shows,
    visits.bookings,
    revisit.revisit,
    revisit.revisit_interval_days,
    revisit.revisit_overrun,
    fees.fees,
    diagnoses.diagnoses,
    diagnoses.cardiovascular_on_record,
    diagnoses.chronic_on_record,
    diagnoses.sensitive_diagnoses,
    glycaemia.glycaemia,
    glycaemia.glucose,
    blood_pressure.blood_pressure,
    blood_pressure.pulse_pressure,
    lipids.lipids,
    lipids.triglycerides_to_hdl,
    kidney.kidney,
    body_weight.body_weight,
    body_weight.bmi,
    body_weight.waist_to_height,
    lung.lung,
    lung.smoking,
    lung.smokes_now,
    medication.medication,
    medication.adherence,
    medication.supply_overdue_days,
    medication.adherence_trend,
    care_plan.care_plan,
    family_history.family_history,
    home_monitoring.home_monitoring,
    home_monitoring.device_trend,
    online_activity.online_activity,
    online_activity.online_trend,
    reading.reading,
    reading.impressions,
    contact_history.contact_history,
    feedback.feedback,
    eligibility.eligibility_life,
    eligibility.deceased_ever,
    eligibility.eligibility_standing,
    eligibility.left_now,
    eligibility.eligibility_contact,
    eligibility.admitted_now,
    eligibility.eligibility_plan,
    eligibility.active_care_plan,
    eligibility.eligibility_chronic,
)
"""Groups and derived features, in the order of a vector's columns."""

MATERIAL: frozenset[str] = frozenset(
    {"age_days", "smoking_yes_days_since", "smoking_no_days_since", "supply_last", "height_last"}
)
"""Features that only feed a derived one: in the vector, left out of models."""

TESTED: frozenset[str] = frozenset(
    {
        "hba1c_days_since",
        "hba1c_count_24m",
        "glucose_fasting_count_24m",
        "glucose_random_count_24m",
        "systolic_count_12m",
        "ldl_count_24m",
        "egfr_count_24m",
        "fev1_count_24m",
    }
)
"""Features that say only that, or when, a test was done: reports are made with and without them."""

CLINICAL_GROUPS: tuple[str, ...] = (
    "age",
    "sex",
    "region",
    "insurance",
    "tenure",
    "visits",
    "revisit_interval",
    "no_shows",
    "care_plan",
    "fees",
    "comorbidity",
    "glucose",
    "blood_pressure",
    "lipids",
    "kidney",
    "body_weight",
    "lung",
    "smoking",
    "medication",
    "adherence",
    "family_history",
    "home_monitoring",
    "online_activity",
    "reading",
    "contact_history",
    "feedback",
    "eligibility",
)
"""Themes that have reviewed reason templates; eligibility is never a model's input."""
