"""The catalogue: every registered group and derived feature, in the order of a vector's columns."""

from __future__ import annotations

from features.derived import Derived
from features.group import FeatureGroup
from features.groups import (
    acuity,
    blood_pressure,
    body_weight,
    care_plan,
    channels,
    charlson,
    consultations,
    contact_history,
    control,
    demography,
    diagnoses,
    eligibility,
    family_history,
    fatigue,
    feedback,
    fees,
    glycaemia,
    health_tools,
    home_monitoring,
    kidney,
    life_stage,
    lipids,
    lung,
    medication,
    online_activity,
    reading,
    revisit,
    run_out,
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
    consultations.consultations,
    revisit.revisit,
    revisit.revisit_interval_days,
    revisit.revisit_overrun,
    fees.fees,
    diagnoses.diagnoses,
    diagnoses.cardiovascular_on_record,
    diagnoses.chronic_on_record,
    diagnoses.sensitive_diagnoses,
    life_stage.life_stage,
    life_stage.parity,
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
    health_tools.device_use,
    health_tools.check_in_use,
    health_tools.health_tool_use_90d,
    online_activity.online_activity,
    online_activity.online_trend,
    channels.channels,
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
    acuity.acuity,
    acuity.acuity_visits,
    charlson.charlson,
    charlson.charlson_index,
    control.hba1c_controlled,
    control.blood_pressure_controlled,
    run_out.run_out,
    run_out.antidiabetics_days_left,
    run_out.antihypertensives_days_left,
    run_out.statins_days_left,
    run_out.antiplatelets_days_left,
    run_out.inhalers_days_left,
    fatigue.fatigue,
    fatigue.contact_pressure,
)
"""Groups and derived features, in the order of a vector's columns."""

FEEDING: frozenset[str] = frozenset(
    {"age_days", "smoking_yes_days_since", "smoking_no_days_since", "supply_last", "height_last"}
)
"""Features that only feed a derived one."""

DESCRIBING: frozenset[str] = frozenset(
    name for group in (charlson.charlson, run_out.run_out, fatigue.fatigue) for name in group.features
) | {
    "charlson_index",
    "hba1c_controlled",
    "blood_pressure_controlled",
    "antidiabetics_days_left",
    "antihypertensives_days_left",
    "statins_days_left",
    "antiplatelets_days_left",
    "inhalers_days_left",
    "contact_pressure",
}
"""Features for tags, tiers, lists and figures, that say nothing to a model that others do not say already."""

MATERIAL: frozenset[str] = FEEDING | DESCRIBING
"""In the vector, left out of models."""

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
