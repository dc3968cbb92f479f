"""Readmission: who comes back into hospital within a month of going home."""

from __future__ import annotations

from training.cohort import Cohort
from training.outcome import Readmission
from training.task import Inputs, Task, TimeAtRisk
from training.tasks.criteria import ALIVE, DISCHARGED, NOT_ADMITTED, STAYED

READMISSION_30D = Task(
    name="readmission_30d",
    kind="incident",
    zh="出院后30天内再入院（风险，不是诊断）",
    en="back in hospital within 30 days of a discharge (a risk, not a diagnosis)",
    purposes=("care_followup",),
    time=TimeAtRisk(horizon_days=30, lookback_days=365),
    cohort=Cohort((ALIVE, STAYED, NOT_ADMITTED, DISCHARGED)),
    outcome=Readmission(),
    landmarks="discharges",
    inputs=Inputs(
        clinical_groups=(
            "age",
            "sex",
            "visits",
            "no_shows",
            "care_plan",
            "comorbidity",
            "glucose",
            "blood_pressure",
            "kidney",
            "lung",
            "medication",
            "adherence",
        ),
        core=(
            "inpatient_count_365d",
            "age_years",
            "visit_count_90d",
            "emergency_count_365d",
            "medicine_distinct_365d",
            "diagnosis_count_365d",
            "chronic_on_record",
            "cardiovascular_on_record",
            "diagnosis_heart_failure",
            "diagnosis_copd",
            "diagnosis_chronic_kidney_disease",
            "sex_male",
            "egfr_last_24m",
        ),
        protected={
            "age": "older patients come back into hospital more often after a discharge",
            "sex": "how often patients come back differs between the sexes",
        },
        baselines={"stays": ("inpatient_count_365d", "up")},
    ),
)
