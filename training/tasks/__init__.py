"""The registered tasks: churn, one for every disease and horizon of params.yaml, self-tests, rules, affinity.

A hospital's folder adds its own; one of the same name stands instead of ours.
"""

from __future__ import annotations

import functools

from features.errors import InputError
from features.hospital import hospital
from features.params import section
from training.task import Task
from training.tasks.affinity import CONTENT_AFFINITY
from training.tasks.churn import CHURN_90D, CHURN_LOGIN_30D
from training.tasks.disease import DiseasesValues, disease_tasks
from training.tasks.own import of_file, of_hospital
from training.tasks.readmission import READMISSION_30D
from training.tasks.revisit import RevisitValues, churn_interval
from training.tasks.screening_need import SCREENING_BREAST, SCREENING_COLORECTAL
from training.tasks.self_test import SELF_TEST_DIABETES
from training.tasks.self_test_hypertension import SELF_TEST_HYPERTENSION

__all__ = ["task", "tasks"]


def tasks(overrides: tuple[str, ...] = ()) -> tuple[Task, ...]:
    """Return every registered task, in order. ``overrides`` are those of ``--set``."""
    found = hospital()
    return _tasks(overrides, str(found.path) if found else "")


@functools.cache
def _tasks(overrides: tuple[str, ...], _hospital: str) -> tuple[Task, ...]:
    entries = section("diseases", DiseasesValues, overrides).entries()
    ours = (
        CHURN_90D,
        CHURN_LOGIN_30D,
        churn_interval(section("churn_interval", RevisitValues, overrides)),
        *(each for name, entry in entries.items() for each in disease_tasks(name, entry)),
        READMISSION_30D,
        SCREENING_BREAST,
        SCREENING_COLORECTAL,
        SELF_TEST_DIABETES,
        SELF_TEST_HYPERTENSION,
        CONTENT_AFFINITY,
    )
    own = of_hospital()
    replaced = {each.name for each in own}
    return (*(each for each in ours if each.name not in replaced), *own)


def task(name: str, overrides: tuple[str, ...] = ()) -> Task:
    """Return the task of that name, or of a Python file (``my_task.py``, ``my_task.py:name``).

    Raises
    ------
    InputError
        There is none; the nearest is named.
    """
    if name.partition(":")[0].endswith(".py"):
        return of_file(name)
    found = {each.name: each for each in tasks(overrides)}
    if name not in found:
        raise InputError(
            f"no task '{name}'",
            where="training.tasks",
            given=name,
            known=tuple(found),
            remedy="declare one in a file, or in the hospital's folder",
        )
    return found[name]
