"""What cannot be learnt from, named before anything is computed."""

from __future__ import annotations

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.plan import compile_plan
from training.attrition import Attrition
from training.task import Task


def check(task: Task, declared: tuple[FeatureGroup | Derived, ...]) -> tuple[str, ...]:
    """Return the features that the task's models may read.

    Raises
    ------
    InputError
        The task names a feature or a clinical group that nothing declares, or may read nothing.
    """
    spec, inputs = compile_plan(declared).spec, task.inputs
    named = {
        "a criterion": task.cohort.needs,
        "core": inputs.core,
        "monotone": tuple(inputs.monotone),
        "left_out": inputs.left_out,
        "crosses": tuple(name for pair in inputs.crosses for name in pair),
        "a finding": task.rule.needs if task.rule else (),
        "a baseline": tuple(feature for feature, _ in inputs.baselines.values()),
    }
    for place, names in named.items():
        for name in names:
            if name not in spec.names:
                raise InputError(
                    f"no feature '{name}'",
                    where=f"task {task.name}, {place}",
                    given=name,
                    known=spec.names,
                    remedy="python -m features describe lists them",
                )
    groups = tuple(dict.fromkeys(spec.groups.values()))
    for group in inputs.clinical_groups:
        if group not in groups:
            raise InputError(
                f"no clinical group '{group}'", where=f"task {task.name}, inputs", given=group, known=groups
            )
    found = inputs.names(spec, task.purposes)
    if not found and task.kind != "rule":
        raise InputError(
            f"no feature of its clinical groups may be used for {', '.join(task.purposes)}",
            where=f"task {task.name}, inputs",
            remedy="name other clinical_groups or purposes",
        )
    return found


def empty(task: Task, attrition: Attrition) -> InputError:
    """Return the error of a cohort that nobody is left in; it says at which step the last ones went."""
    last = next((step for step in attrition.steps if not step.rows_left), attrition.steps[-1])
    error = InputError(
        f"nobody is eligible: the step '{last.name}' left out the last {last.rows_out} rows",
        where=f"task {task.name}",
        remedy="see the attrition table; widen the cohort, or give a lake that holds such patients",
    )
    error.attrition = attrition.rows()  # type: ignore[attr-defined]
    return error
