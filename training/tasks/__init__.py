"""The registered tasks: churn, one for every disease and horizon of params.yaml, self-test, affinity."""

from __future__ import annotations

import functools

from features.errors import InputError
from features.params import section
from training.task import Task
from training.tasks.affinity import CONTENT_AFFINITY
from training.tasks.churn import CHURN_90D
from training.tasks.disease import DiseasesValues, disease_tasks
from training.tasks.self_test import SELF_TEST_DIABETES

__all__ = ["task", "tasks"]


@functools.cache
def tasks(overrides: tuple[str, ...] = ()) -> tuple[Task, ...]:
    """Return every registered task, in order. ``overrides`` are those of ``--set``."""
    entries = section("diseases", DiseasesValues, overrides).entries()
    generated = tuple(each for name, entry in entries.items() for each in disease_tasks(name, entry))
    return (CHURN_90D, *generated, SELF_TEST_DIABETES, CONTENT_AFFINITY)


def task(name: str, overrides: tuple[str, ...] = ()) -> Task:
    """Return the task of that name, or raise InputError naming the nearest."""
    found = {each.name: each for each in tasks(overrides)}
    if name not in found:
        raise InputError(f"no task '{name}'", where="training.tasks", given=name, known=tuple(found))
    return found[name]
