"""A hospital's own folder: groups, tasks, sources, codelists and params that travel with it.

Every command takes it as ``--hospital DIR``, or reads ``CAREPATH_HOSPITAL``::

    hospital/
      groups.py or groups/*.py      feature groups and derived features, beside the catalogue's;
                                    one that bears a catalogue name replaces it
      tasks.py or tasks/*.py        training.task.Task instances
      sources.py or sources/*.py    sources
      codes/NAME.csv                codelists (code_system, code, zh, en); codes/index.csv names them
                                    where the name of the first entry will not do
      params.yaml                   values laid over those of the project, diseases among them

Who needs objects of one kind asks for them, here as in training and serving::

    found = hospital()
    own = found.declared("tasks", Task) if found else ()

Files may import each other as ``hospital.groups.NAME``, whatever the folder is called.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from features.errors import InputError

VARIABLE = "CAREPATH_HOSPITAL"
_PACKAGE = "hospital"
_CODE = (".py", ".csv")
Noun = TypeVar("Noun")


class Hospital:
    """One such folder.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    InputError
        There is no such folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).resolve()
        if not self.path.is_dir():
            raise InputError("there is no such folder", where=f"hospital {path}", remedy=f"--hospital, or {VARIABLE}")

    @functools.cached_property
    def files(self) -> tuple[Path, ...]:
        """Every file that counts, in the order of their names: a run records them, an artefact carries them."""
        found = (file for file in self.path.rglob("*") if file.suffix in (*_CODE, ".yaml", ".yml") and file.is_file())
        return tuple(sorted(file for file in found if not _hidden(file.relative_to(self.path))))

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over name and content of code and codelists: what decides the meaning of a vector.

        It stands in every VectorSpec. Params are values, which a run logs; they stay out.
        """
        told = hashlib.sha256()
        for file in self.files:
            if file.suffix in _CODE:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                told.update(f"{content}  {file.relative_to(self.path).as_posix()}\n".encode())
        return told.hexdigest()

    @property
    def params(self) -> Path | None:
        """Its params.yaml, where it has one."""
        file = self.path / "params.yaml"
        return file if file.is_file() else None

    @property
    def codes(self) -> Path | None:
        """Its folder of codelists, where it has one."""
        folder = self.path / "codes"
        return folder if folder.is_dir() else None

    def declared(self, kind: str, noun: type[Noun] | tuple[type, ...]) -> tuple[Any, ...]:
        """Return the objects of some type that the files of one kind define, each once, in their order.

        Parameters
        ----------
        kind
            groups, tasks or sources.
        noun
            The type, or types, looked for.

        Raises
        ------
        InputError
            A file cannot be imported.
        """
        files = [self.path / f"{kind}.py", *sorted((self.path / kind).glob("*.py"))]
        self._package()
        modules = [self._module(file) for file in files if file.is_file() and not file.name.startswith("_")]
        found = [each for module in modules for each in vars(module).values() if isinstance(each, noun)]
        return tuple({id(each): each for each in found}.values())

    def _module(self, file: Path) -> ModuleType:
        name = ".".join((_PACKAGE, *file.relative_to(self.path).with_suffix("").parts))
        known = sys.modules.get(name)
        return load(name, file, f"hospital {file.relative_to(self.path).as_posix()}") if known is None else known

    def _package(self) -> None:
        """Stand for the folder as a package, so that its files can import each other."""
        known = sys.modules.get(_PACKAGE)
        if known is None or list(known.__path__) != [str(self.path)]:
            for name in [each for each in sys.modules if each.partition(".")[0] == _PACKAGE]:
                del sys.modules[name]
            package = ModuleType(_PACKAGE)
            package.__path__ = [str(self.path)]
            sys.modules[_PACKAGE] = package


def hospital() -> Hospital | None:
    """Return the folder that CAREPATH_HOSPITAL names, or None."""
    named = os.environ.get(VARIABLE)
    return _opened(named) if named else None


def load(name: str, file: Path, where: str) -> ModuleType:
    """Import a file under a name.

    Raises
    ------
    InputError
        It cannot be imported; a mistake in a declaration speaks for itself.
    """
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError("is no Python file", where=where)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, InputError) or not isinstance(error, Exception):
            raise
        raise InputError(f"cannot be imported: {_told(error, file)}", where=where) from error
    return module


def _told(error: Exception, file: Path) -> str:
    """Return what is wrong and in which line of the file; the words of what it raises itself are not repeated."""
    steps = traceback.extract_tb(error.__traceback__)
    lines = [each.lineno for each in steps if each.filename == str(file)]
    if isinstance(error, SyntaxError):
        here = error.filename == str(file)
        return f"SyntaxError: {error.msg}, line {error.lineno if here else lines[-1] if lines else '?'}"
    raised = (steps[-1].line or "").startswith("raise")
    plain = isinstance(error, ImportError | NameError | AttributeError | TypeError) and not raised
    words = f": {error}" if plain else ""
    return f"{type(error).__name__}{words}" + (f", line {lines[-1]}" if lines else "")


@functools.cache
def _opened(path: str) -> Hospital:
    return Hospital(path)


def _hidden(file: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in file.parts)
