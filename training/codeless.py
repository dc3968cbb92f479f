"""Codeless: inputs that are empty because no code of their codelist occurs in the lake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from features.absent import absent
from features.derived import Derived
from features.errors import InputError
from features.plan import compile_plan
from training.task import Task

if TYPE_CHECKING:
    from features.lake import Lake


def codeless(lake: Lake, task: Task, names: tuple[str, ...]) -> Iterator[str]:
    """Yield which of some features are empty because no code of their codelist occurs in the lake."""
    for code, empty in absent(lake, compile_plan(task.declared, names)).items():
        yield f"no code of {code} occurs, so empty: {', '.join(empty)}"


def explain(refusal: InputError, lake: Lake, task: Task) -> None:
    """Add to a refusal which of what the task counts on is empty: its own features, its cohort's and its core."""
    own = (name for each in task.own for name in ((each.name,) if isinstance(each, Derived) else each.features))
    for line in codeless(lake, task, tuple(dict.fromkeys((*own, *task.cohort.needs, *task.inputs.core)))):
        refusal.add_note(line)
