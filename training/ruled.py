"""A rule over a lake: who meets it now. Nothing is learnt, nothing is registered."""

from __future__ import annotations

import numpy as np

from features.build import vectors
from features.errors import InputError
from features.lake import Lake
from features.plan import compile_plan
from training.attrition import Attrition
from training.codeless import codeless
from training.landmarks import span
from training.mistakes import check, empty
from training.run import Trained
from training.task import Task


def run_rule(task: Task, lake: Lake) -> Trained:
    """Count who meets a task's rule at the end of a lake's records, and by which finding.

    Raises
    ------
    InputError
        The task has no rule, or nobody is eligible.
    """
    if task.rule is None:
        raise InputError("has no rule", where=f"task {task.name}", remedy="give it rule=Rule(...)")
    declared = task.declared
    check(task, declared)
    ids = lake.patients().astype(str)
    at = np.full(len(ids), span(lake).end)
    attrition = Attrition()
    attrition.start("patients at the end of the records", ids)
    names = tuple(dict.fromkeys((*task.cohort.needs, *task.rule.needs)))
    columns = dict(zip(names, vectors(lake, compile_plan(declared, names), ids, at).T))
    kept = task.cohort.apply(columns, ids, attrition)
    if not kept.any():
        raise empty(task, attrition)
    eligible = {name: column[kept] for name, column in columns.items()}
    met = task.rule.met(eligible)
    figures = {"eligible": float(kept.sum()), "met": float(met.sum()), "met_share": float(met.mean())}
    by = ", ".join(f"{each.name}: {int(each.met(eligible).sum()):,}" for each in task.rule.findings)
    notes = (
        f"{task.rule.source}; not a model: nothing was fitted or registered, and nothing can be proposed",
        f"{int(met.sum()):,} of {int(kept.sum()):,} eligible patients meet it ({by})",
        *codeless(lake, task, names),
    )
    return Trained(task.name, "none (a rule)", "none", figures, attrition.rows(), notes)
