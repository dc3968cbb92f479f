"""Tasks of one's own: from a file, or from the hospital's folder."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.hospital import hospital
from features.siblings import load_among
from training.task import Task

FILE = "task.py"
"""Under which name an artefact keeps the file that declares its task."""
SIBLINGS = "siblings.json"
"""And the texts of the modules beside it that it imports, by path in its folder."""


def of_hospital() -> tuple[Task, ...]:
    """Return the tasks that the hospital's folder declares, in the order of its files."""
    found = hospital()
    return found.declared("tasks", Task) if found else ()


def files_of(given: str) -> dict[str, str]:
    """Return what a run keeps of ``my_task.py`` or ``my_task.py:name``, by name; nothing for a task's name.

    The file itself, and the modules beside it that it imports, where there are any.
    """
    file = Path(given.partition(":")[0])
    if file.suffix != ".py":
        return {}
    _, siblings = _loaded(file)
    beside = {SIBLINGS: json.dumps(siblings, ensure_ascii=False, indent=1) + "\n"} if siblings else {}
    return {FILE: file.read_text(encoding="utf-8"), **beside}


def declared(name: str, artefact: Path, overrides: tuple[str, ...] = ()) -> Task:
    """Return the task that an artefact was trained for: of the file kept with it, else the registered one.

    Raises
    ------
    InputError
        There is none of that name any more.
    """
    from training.tasks import task

    kept, beside = artefact / FILE, artefact / SIBLINGS
    if not kept.is_file():
        return task(name, overrides)
    with tempfile.TemporaryDirectory() as place:
        for path, text in json.loads(beside.read_text(encoding="utf-8") if beside.is_file() else "{}").items():
            file = Path(place) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return of_file(f"{kept}:{name}", Path(place))


def of_file(given: str, folder: Path | None = None) -> Task:
    """Return the task of a file, ``my_task.py`` or ``my_task.py:name`` where it declares several.

    Groups that the file declares, and the task does not list, are the task's own: those of a
    clinical group that its inputs name are read by its models. It may import the modules of its folder.

    Parameters
    ----------
    folder
        Where those modules are; the file's own by default.

    Raises
    ------
    InputError
        There is no such file, it cannot be imported, it declares no task or several.
    """
    path, _, wanted = given.partition(":")
    file = Path(path)
    if not file.is_file():
        raise InputError("there is no such file", where=f"task {file.name}", remedy="give the path of a Python file")
    declared = vars(_loaded(file, folder)[0])
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


def _loaded(file: Path, folder: Path | None = None) -> tuple[ModuleType, dict[str, str]]:
    name = f"carepath_task_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    return load_among(name, file, f"task {file.name}", folder)
