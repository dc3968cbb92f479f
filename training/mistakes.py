"""What cannot be learnt from, named before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.params import general
from features.plan import compile_plan
from training.attrition import Attrition
from training.followup import final
from training.models.published import over_catalogue
from training.task import Task

if TYPE_CHECKING:
    from features.lake import Lake


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
        "a baseline": (*(feature for feature, _ in inputs.baselines.values()), *inputs.rfm),
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
    for place, named_groups in (("clinical_groups", inputs.clinical_groups), ("protected", tuple(inputs.protected))):
        for group in named_groups:
            if group not in groups:
                where = f"task {task.name}, {place}"
                raise InputError(f"no clinical group '{group}'", where=where, given=group, known=groups)
    purposes = general().purposes
    for purpose in task.purposes:
        if purpose not in purposes:
            raise InputError(
                f"no purpose '{purpose}'", where=f"task {task.name}, purposes", given=purpose, known=purposes
            )
    over_catalogue(inputs.scores)
    _tried(task)
    found = inputs.names(spec, task.purposes)
    if not found and task.kind != "rule":
        raise InputError(
            f"no feature of its clinical groups may be used for {', '.join(task.purposes)}",
            where=f"task {task.name}, inputs",
            remedy="name other clinical_groups or purposes",
        )
    if task.kind in ("churn", "incident") and not inputs.there(found)[0]:
        raise InputError(
            "core names no feature that its models may read: the logistic candidate would have none",
            where=f"task {task.name}, inputs",
            remedy="name the few most important features in core, of its clinical groups and purposes",
        )
    return found


def _tried(task: Task) -> None:
    """Ask every criterion, and every finding of a rule, about two rows of nulls: a test that cannot be asked shows."""
    nulls = {name: np.full(2, np.nan) for name in (*task.cohort.needs, *(task.rule.needs if task.rule else ()))}
    log = Attrition()
    log.start("two rows of nulls", np.array(["a", "b"]))
    try:
        task.cohort.apply(nulls, np.array(["a", "b"]), log)
        if task.rule:
            task.rule.met(nulls)
    except InputError as error:
        raise InputError(str(error), where=f"task {task.name}") from error


def empty(task: Task, attrition: Attrition, without: Mapping[str, tuple[str, ...]] | None = None) -> InputError:
    """Return the error of a cohort that nobody is left in; it says at which step the last ones went.

    ``without`` holds the tables that the lake lacks though a criterion reads them, by the criterion's name.
    """
    last = next((step for step in attrition.steps if not step.rows_left), attrition.steps[-1])
    why, remedy = "", "see the attrition table; widen the cohort, or give a lake that holds such patients"
    if tables := (without or {}).get(last.name):
        why, remedy = f", for the lake has no {' and no '.join(tables)}", f"ingest {' and '.join(tables)} first"
    error = InputError(
        f"nobody is eligible: the step '{last.name}' left out the last {last.rows_out} rows{why}",
        where=f"task {task.name}",
        remedy=remedy,
    )
    error.attrition = attrition.rows()  # type: ignore[attr-defined]
    return error


def tables_lacking(task: Task, declared: tuple[FeatureGroup | Derived, ...], lake: Lake) -> dict[str, tuple[str, ...]]:
    """Return the tables that criteria of the cohort read and the lake lacks, by the criterion's name."""
    found = {}
    for criterion in task.cohort.criteria:
        if not criterion.needs:
            continue
        read = {each.selection.table for each in compile_plan(declared, criterion.needs).reductions.values()}
        found[criterion.name] = tuple(sorted(read - set(lake.tables())))
    return found


def once(lake: Lake) -> None:
    """Refuse a lake in which one patient has two rows in force in ``patients``.

    Raises
    ------
    InputError
        Some have; their number is named, not who.
    """
    if "patients" not in lake.tables():
        return
    rows = final(lake.read("patients", columns=["patient_id", "event_id", "version", "void"]))
    _, count = np.unique(rows["patient_id"].to_numpy(zero_copy_only=False).astype(str), return_counts=True)
    several = int((count > 1).sum())
    if several:
        raise InputError(
            f"{several} patient{'s have' if several > 1 else ' has'} two rows in force",
            where=f"lake {lake.path.name}, patients",
            remedy="merge them: one event_id a patient, a correction as a higher version, a retraction as void",
        )


def constant(names: tuple[str, ...], x: np.ndarray) -> tuple[str, ...]:
    """Return the features of (n, k) rows that hold one value at most, null or not."""
    null = np.isnan(x)
    least, most = np.where(null, np.inf, x).min(axis=0), np.where(null, -np.inf, x).max(axis=0)
    still = (least >= most) & (null.all(axis=0) | ~null.any(axis=0))
    return tuple(name for name, each in zip(names, still) if each)


def varying(task: Task, names: tuple[str, ...], x: np.ndarray, attrition: Attrition) -> None:
    """Note the features that do not vary.

    Raises
    ------
    InputError
        None does.
    """
    still = constant(names, x)
    if len(still) == len(names):
        raise InputError(
            "every feature is constant here",
            where=f"task {task.name}",
            remedy="check that the codes of the lake are those of the codelists: python -m features codes --unmapped",
        )
    if still:
        shown = ", ".join(still[:8]) + (f" and {len(still) - 8} more" if len(still) > 8 else "")
        attrition.note(f"{len(still)} features do not vary here and are of no use: {shown}")
