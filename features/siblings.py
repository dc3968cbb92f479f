"""Siblings: the modules beside a file of one's own, which it may import while it is loaded."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from features.hospital import load


def load_among(name: str, file: Path, where: str, folder: Path | None = None) -> tuple[ModuleType, dict[str, str]]:
    """Import a file under a name; return it, and the texts of the siblings that it imported by path in their folder.

    Siblings are forgotten once the file is loaded: another folder may hold modules of the same names, and what
    changed is read again. A name that was imported before, such as ``features``, stays what it is.

    Parameters
    ----------
    folder
        Where the siblings are; the file's own by default.

    Raises
    ------
    InputError
        It cannot be imported.
    """
    folder = (folder or file.parent).resolve()
    before = {name, *sys.modules}
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        module = load(name, file, where)
        found = (Path(getattr(each, "__file__", None) or "") for each in _beside(folder, before).values())
        texts = {each.relative_to(folder).as_posix(): each.read_text("utf-8") for each in found if each.suffix == ".py"}
        return module, texts
    finally:
        sys.path.remove(str(folder))
        for each in _beside(folder, before):
            del sys.modules[each]


def _beside(folder: Path, before: set[str]) -> dict[str, ModuleType]:
    """Return the modules imported since from that folder itself, and those inside their packages, by name."""
    tops = {
        name
        for name, module in sys.modules.items()
        if name not in before and any(Path(place).parent == folder for place in _places(module))
    }
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops}


def _places(module: ModuleType) -> tuple[str, ...]:
    """Return a package's folders, or a module's file."""
    return tuple(getattr(module, "__path__", ())) or (getattr(module, "__file__", None) or "",)
