"""Groups from a file of one's own: any path, without touching the package."""

from __future__ import annotations

import hashlib
from pathlib import Path

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.siblings import load_among

CATALOGUE = "catalogue"


def declared(files: tuple[str, ...]) -> tuple[FeatureGroup | Derived, ...]:
    """Return what some files declare, in their order; ``catalogue`` stands for the registered groups.

    Raises
    ------
    InputError
        A file is not there, cannot be imported or declares nothing.
    """
    found: list[FeatureGroup | Derived] = []
    for each in files:
        if each == CATALOGUE:
            from features import catalogue

            found += catalogue()
        else:
            found += _of_file(Path(each))
    return tuple(found)


def _of_file(file: Path) -> list[FeatureGroup | Derived]:
    where = f"--groups {file.name}"
    if not file.is_file():
        raise InputError("there is no such file", where=where)
    name = f"carepath_groups_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:12]}"
    module, _ = load_among(name, file, where)
    groups = [each for each in vars(module).values() if isinstance(each, FeatureGroup | Derived)]
    if not groups:
        raise InputError("declares no group", where=where, remedy="decorate a function with @feature_group(...)")
    return list({id(each): each for each in groups}.values())
