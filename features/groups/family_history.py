"""What runs in the family."""

from __future__ import annotations

from features import feature_group
from features.codes import codelist
from features.history import Reduction, Selection

INHERITED = ("diabetes", "hypertension", "coronary_heart_disease", "stroke", "copd", "cancer")
FIRST_DEGREE = ("father", "mother", "sibling", "child")


@feature_group(
    source="family_history",
    purposes=("care_followup", "screening_invitation", "health_education", "self_test"),
    why="a relative's disease raises one's own risk",
    clinical_group="family_history",
)
def family_history(history: Selection) -> dict[str, Reduction]:
    """Diseases of relatives, by whatever relation the record gives."""
    return {f"family_{name}": history.coded(codelist(name)).exists() for name in INHERITED} | {
        "family_diabetes_first_degree_count": history.coded(codelist("diabetes")).where(relation=FIRST_DEGREE).count()
    }
