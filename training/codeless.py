"""Codeless: inputs that are empty because no code of their codelist occurs in the lake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from features.absent import absent
from features.codes import codelist
from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.groups.eligibility import PURPOSES, WHY
from features.history import Selection
from features.plan import compile_plan
from training.outcome import FirstDiagnosis
from training.task import Task

if TYPE_CHECKING:
    from features.lake import Lake


def codeless(lake: Lake, task: Task, names: tuple[str, ...]) -> Iterator[str]:
    """Yield which of some features are empty because no code of their codelist occurs in the lake."""
    for code, empty in absent(lake, compile_plan(task.declared, names)).items():
        yield f"no code of {code} occurs, so empty: {', '.join(empty)}"


def explain(refusal: InputError, lake: Lake, task: Task) -> None:
    """Add to a refusal which of what the task counts on is empty: its outcome, its own features, cohort and core."""
    if isinstance(task.outcome, FirstDiagnosis):
        found = Selection("diagnoses").coded(codelist(task.outcome.codelist)).exists()
        asked = FeatureGroup("outcome", "diagnoses", PURPOSES, WHY, "eligibility", {"outcome": found})
        for code in absent(lake, compile_plan((asked,))):
            refusal.add_note(f"no code of {code} occurs, so nobody can have the outcome")
    own = (name for each in task.own for name in ((each.name,) if isinstance(each, Derived) else each.features))
    for line in codeless(lake, task, tuple(dict.fromkeys((*own, *task.cohort.needs, *task.inputs.core)))):
        refusal.add_note(line)
