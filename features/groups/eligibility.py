"""Who can be asked about at all. These decide cohorts and are never a model's input."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.groups.diagnoses import MANAGED, SENSITIVE
from features.history import Reduction, Selection

PURPOSES = (
    "care_followup",
    "screening_invitation",
    "health_education",
    "service_marketing",
    "self_test",
    "model_development",
)
WHY = "a score is given only to those whom the question fits"
DUE_WITHIN_DAYS = 365.0
"""How long a step that fell due stands for a plan in force, and a plan that names none."""


@feature_group(source="patients", purposes=PURPOSES, why=WHY, clinical_group="eligibility")
def eligibility_life(history: Selection) -> dict[str, Reduction]:
    """Death, where it is known. Unit: d."""
    return {
        "deceased_days_since": history.days_since("deceased_at").labelled(
            label_zh="死亡至今天数", label_en="days since death"
        )
    }


@derived
def deceased_ever(deceased_days_since: np.ndarray) -> np.ndarray:
    """1 where a death is on record, else 0. Unit: 1.

    label_zh: 已故
    label_en: deceased
    """
    return np.where(deceased_days_since >= 0, 1.0, 0.0)


@feature_group(source="status_changes", purposes=PURPOSES, why=WHY, clinical_group="eligibility")
def eligibility_standing(history: Selection) -> dict[str, Reduction]:
    """When the patient left the hospital's care, and came back. Unit: d."""
    return {
        "left_days_since": history.where(kind=("transferred", "moved", "opted_out"))
        .days_since()
        .labelled(label_zh="离开至今天数", label_en="days since leaving"),
        "back_days_since": history.where(kind="back")
        .days_since()
        .labelled(label_zh="返回至今天数", label_en="days since coming back"),
    }


@derived
def left_now(left_days_since: np.ndarray, back_days_since: np.ndarray) -> np.ndarray:
    """1 where the patient was transferred, moved or opted out and has not come back since, else 0. Unit: 1.

    label_zh: 已离开
    label_en: has left
    """
    returned = back_days_since <= left_days_since
    return np.where(~np.isnan(left_days_since) & ~returned, 1.0, 0.0)


@feature_group(source="encounters", purposes=PURPOSES, why=WHY, clinical_group="eligibility")
def eligibility_contact(history: Selection) -> dict[str, Reduction]:
    """Qualifying contacts (finished, of any kind), and stays in hospital."""
    finished = history.where(status="finished")
    stays = history.where(kind="inpatient")
    return {
        "finished_contacts_365d": finished.within(days=365)
        .count()
        .labelled(label_zh="近一年有效接触次数", label_en="qualifying contacts, last year"),
        "finished_contacts_730d": finished.within(days=730)
        .count()
        .labelled(label_zh="近两年有效接触次数", label_en="qualifying contacts, last two years"),
        "stay_open_count_365d": stays.where(status="in_progress")
        .within(days=365)
        .count()
        .labelled(label_zh="在院记录数", label_en="open stays"),
        "stay_end_days_since": stays.where(status=("in_progress", "finished"))
        .days_since("end")
        .labelled(label_zh="距最近出院天数", label_en="days since the latest discharge"),
    }


@derived
def admitted_now(stay_open_count_365d: np.ndarray, stay_end_days_since: np.ndarray) -> np.ndarray:
    """1 where a stay in hospital is open or ends after the landmark, else 0. Unit: 1.

    label_zh: 住院中
    label_en: in hospital
    """
    return np.where((stay_open_count_365d > 0) | (stay_end_days_since < 0), 1.0, 0.0)


@feature_group(source="care_plans", purposes=PURPOSES, why=WHY, clinical_group="eligibility")
def eligibility_plan(history: Selection) -> dict[str, Reduction]:
    """Care plans on record, the end of the latest that has one, the next step of the latest that names one. Unit: d."""
    return {
        "plan_days_since": history.days_since().labelled(label_zh="距最近计划天数", label_en="days since a plan"),
        "plan_end_days_since": history.days_since("end").labelled(
            label_zh="计划结束至今天数", label_en="days since a plan ended"
        ),
        "plan_due_days_since": history.days_since("next_due").labelled(
            label_zh="距计划下次随访日天数（负值为将来）", label_en="days since a plan's next step fell due"
        ),
    }


@derived
def active_care_plan(
    plan_days_since: np.ndarray, plan_end_days_since: np.ndarray, plan_due_days_since: np.ndarray
) -> np.ndarray:
    """1 where a care plan is in force and its next step falls due, or did within a year, else 0. Unit: 1.

    An end counts unless a plan began, or a step falls due, after it; a plan that names no step is in force for a year.

    label_zh: 有效随访计划
    label_en: active care plan
    """
    after = (plan_days_since <= plan_end_days_since) | (plan_due_days_since < plan_end_days_since)
    ended = (plan_end_days_since > 0) & ~after
    due = np.fmin(plan_due_days_since, plan_days_since) <= DUE_WITHIN_DAYS
    return np.where(due & ~ended, 1.0, 0.0)


@feature_group(source="diagnoses", purposes=PURPOSES, why=WHY, clinical_group="eligibility")
def eligibility_chronic(history: Selection) -> dict[str, Reduction]:
    """Whether any chronic disease is on record."""
    return {
        "chronic_ever": history.coded(*MANAGED, *SENSITIVE)
        .exists()
        .labelled(label_zh="有慢性病诊断", label_en="has a chronic diagnosis")
    }
