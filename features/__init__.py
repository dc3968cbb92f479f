"""Events in, patient vectors out.

``from features import feature_group, derived`` to declare; ``features.build(lake, landmarks)`` for
vectors; ``features.catalogue()`` for what is declared. Names load when first used, so that a
command's help answers at once.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from features.build import build
    from features.derived import Derived, derived
    from features.group import FeatureGroup, feature_group

__all__ = ["Derived", "FeatureGroup", "build", "catalogue", "derived", "feature_group"]

_HOMES = {
    "Derived": "features.derived",
    "FeatureGroup": "features.group",
    "build": "features.build",
    "derived": "features.derived",
    "feature_group": "features.group",
}


def catalogue() -> tuple[FeatureGroup | Derived, ...]:
    """Return the registered groups and derived features, in their order, and the hospital's own laid over them."""
    from features.derived import Derived
    from features.group import FeatureGroup
    from features.groups import CATALOGUE
    from features.hospital import hospital
    from features.over import over

    found = hospital()
    return over(CATALOGUE, found.declared("groups", (FeatureGroup, Derived)) if found else ())


class _Package(ModuleType):
    """The package: ``features.build`` stays the function, also once the file of that name is imported."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'features' has no attribute '{name}'")
        return getattr(importlib.import_module(_HOMES[name]), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
