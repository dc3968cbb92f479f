"""Tasks of one's own: from a file, or from the hospital's folder."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.hospital import hospital, load
from training.task import Task

FILE = "task.py"
"""Under which name an artefact keeps the file that declares its task."""


def of_hospital() -> tuple[Task, ...]:
    """Return the tasks that the hospital's folder declares, in the order of its files."""
    found = hospital()
    return found.declared("tasks", Task) if found else ()


def text_of(given: str) -> str:
    """Return the text of the file that ``my_task.py`` or ``my_task.py:name`` names; empty for a task's name."""
    path = given.partition(":")[0]
    return Path(path).read_text(encoding="utf-8") if path.endswith(".py") else ""


def declared(name: str, artefact: Path, overrides: tuple[str, ...] = ()) -> Task:
    """Return the task that an artefact was trained for: of the file kept with it, else the registered one.

    Raises
    ------
    InputError
        There is none of that name any more.
    """
    from training.tasks import task

    kept = artefact / FILE
    return of_file(f"{kept}:{name}") if kept.is_file() else task(name, overrides)


def of_file(given: str) -> Task:
    """Return the task of a file, ``my_task.py`` or ``my_task.py:name`` where it declares several.

    Groups that the file declares, and the task does not list, are the task's own: those of a
    clinical group that its inputs name are read by its models.

    Raises
    ------
    InputError
        There is no such file, it cannot be imported, it declares no task or several.
    """
    path, _, wanted = given.partition(":")
    file = Path(path)
    if not file.is_file():
        raise InputError("there is no such file", where=f"task {file.name}", remedy="give the path of a Python file")
    name = f"carepath_task_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    declared = vars(load(name, file, f"task {file.name}"))
    found = {each.name: each for each in declared.values() if isinstance(each, Task)}
    if not found:
        raise InputError("declares no task", where=file.name, remedy="NAME = Task(...) from training.task")
    if wanted and wanted not in found:
        raise InputError(f"declares no task '{wanted}'", where=file.name, given=wanted, known=tuple(found))
    if not wanted and len(found) > 1:
        raise InputError("declares several tasks", where=file.name, remedy=f"one of {file.name}:{'|'.join(found)}")
    task = found[wanted or next(iter(found))]
    own = [each for each in declared.values() if isinstance(each, FeatureGroup | Derived)]
    listed = {each.name for each in task.own}
    more = {each.name: each for each in own if each.name not in listed}
    return replace(task, own=(*task.own, *more.values()))
