"""The registered tasks: churn, one for every disease and horizon of params.yaml, self-tests, rules, affinity.

A hospital's folder adds its own; one of the same name stands instead of ours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from features.errors import InputError
from features.hospital import hospital
from features.params import section
from training.task import Task
from training.tasks.affinity import CONTENT_AFFINITY
from training.tasks.churn import CHURN_90D, CHURN_LOGIN_30D
from training.tasks.disease import DiseasesValues, entry_tasks
from training.tasks.own import of_file, of_hospital
from training.tasks.readmission import READMISSION_30D
from training.tasks.revisit import RevisitValues, churn_interval
from training.tasks.screening_need import SCREENING_BREAST, SCREENING_COLORECTAL
from training.tasks.self_test import SELF_TEST_DIABETES
from training.tasks.self_test_hypertension import SELF_TEST_HYPERTENSION

__all__ = ["task", "tasks"]

AFTER = (
    READMISSION_30D,
    SCREENING_BREAST,
    SCREENING_COLORECTAL,
    SELF_TEST_DIABETES,
    SELF_TEST_HYPERTENSION,
    CONTENT_AFFINITY,
)
"""The tasks that stand after those of params.yaml."""


def tasks(overrides: tuple[str, ...] = ()) -> tuple[Task, ...]:
    """Return every registered task, in order. ``overrides`` are those of ``--set``.

    Raises
    ------
    InputError
        An entry of params.yaml cannot be read.
    """
    found = _registered(overrides)
    for error in found.broken.values():
        raise error.with_traceback(None)
    return tuple(found.tasks.values())


def task(name: str, overrides: tuple[str, ...] = ()) -> Task:
    """Return the task of that name, or of a Python file (``my_task.py``, ``my_task.py:name``).

    Raises
    ------
    InputError
        There is none, and the nearest is named; or the entry that declares it cannot be read. An entry of
        another task stops nobody.
    """
    if name.partition(":")[0].endswith(".py"):
        return of_file(name)
    found = _registered(overrides)
    if name in found.tasks:
        return found.tasks[name]
    for entry, error in found.broken.items():
        if name == entry or name.startswith(f"{entry}_"):
            raise error.with_traceback(None)
    raise InputError(
        f"no task '{name}'",
        where="training.tasks",
        given=name,
        known=tuple(found.tasks),
        remedy="declare one in a file, or in the hospital's folder",
    )


@dataclass(frozen=True)
class _Registered:
    """The tasks by name, and what is wrong with the entries of params.yaml that cannot be read, by entry."""

    tasks: dict[str, Task]
    broken: dict[str, InputError]


def _registered(overrides: tuple[str, ...]) -> _Registered:
    found = hospital()
    return _made(overrides, str(found.path) if found else "")


@functools.cache
def _made(overrides: tuple[str, ...], _hospital: str) -> _Registered:
    entries = section("diseases", DiseasesValues, overrides).entries()
    own = of_hospital()
    tasks: list[Task] = [CHURN_90D, CHURN_LOGIN_30D]
    broken: dict[str, InputError] = {}
    declared: dict[str, Callable[[], tuple[Task, ...]]] = {
        "churn_interval": lambda: (churn_interval(section("churn_interval", RevisitValues, overrides)),),
        **{name: partial(entry_tasks, name, entry) for name, entry in entries.items()},
    }
    for name, make in declared.items():
        try:
            tasks += make()
        except InputError as error:
            broken[name] = error
    tasks += AFTER
    replaced = {each.name for each in own}
    whole = (*(each for each in tasks if each.name not in replaced), *own)
    return _Registered({each.name: each for each in whole}, broken)
