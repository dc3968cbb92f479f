"""How often the patient came in person lately, and asked a doctor within a year."""

from __future__ import annotations

from features import feature_group
from features.history import Reduction, Selection

OFFLINE = ("outpatient", "emergency", "inpatient", "check_up", "home")
ASKED = ("outpatient", "online")


@feature_group(
    source="encounters",
    purposes=("care_followup", "screening_invitation", "service_marketing"),
    why="who comes in person, and who asks a doctor, is reached and served differently",
    clinical_group="visits",
)
def consultations(history: Selection) -> dict[str, Reduction]:
    """Finished visits in person (no pharmacy pick-up, no call), and consultations in person or on line."""
    finished = history.where(status="finished")
    return {
        "offline_visit_count_90d": finished.where(kind=OFFLINE)
        .within(days=90)
        .count()
        .labelled(label_zh="近90天到院次数", label_en="visits in person, last 90 days"),
        "consultation_count_365d": finished.where(kind=ASKED)
        .within(days=365)
        .count()
        .labelled(label_zh="近一年问诊次数", label_en="consultations, last year"),
    }
