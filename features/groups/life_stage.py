"""Stages of life and of recovery that decide what may be sent, and two marks of breast cancer risk."""

from __future__ import annotations

from features import feature_group
from features.codes import codelist
from features.history import Reduction, Selection

STAGES = ("preconception", "pregnancy", "postpartum", "menopause")


@feature_group(
    source="diagnoses",
    purposes=("care_followup", "health_education"),
    why="what suits a pregnant woman or a patient after surgery differs from what suits others",
    clinical_group="comorbidity",
    protected=True,
)
def life_stage(history: Selection) -> dict[str, Reduction]:
    """Days since the latest code of each stage. Unit: d."""
    return {f"{name}_days_since": history.coded(codelist(name)).days_since() for name in (*STAGES, "postoperative")} | {
        "breast_hyperplasia": history.coded(codelist("breast_hyperplasia")).exists()
    }


@feature_group(
    source="observations",
    purposes=("care_followup", "screening_invitation", "health_education"),
    why="having borne no child raises the risk of breast cancer a little",
    clinical_group="comorbidity",
    protected=True,
)
def parity(history: Selection) -> dict[str, Reduction]:
    """Children borne, as last recorded. Unit: 1."""
    return {"parity_last": history.coded(codelist("parity")).last("value")}
