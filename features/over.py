"""Over: somebody's own groups laid over others: what they name again is theirs alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from features.derived import Derived
from features.group import FeatureGroup

Declared = FeatureGroup | Derived


def over(groups: Sequence[Declared], own: Sequence[Declared]) -> tuple[Declared, ...]:
    """Return the groups and the own ones after them; a group, or a feature, that an own one names again is left out."""
    names = {name for each in own for name in _names(each)}
    return (*_left(groups, {each.name for each in own}, names), *own)


def _left(groups: Sequence[Declared], gone: set[str], names: set[str]) -> Iterator[Declared]:
    for each in groups:
        if each.name in gone:
            continue
        if isinstance(each, Derived) or names.isdisjoint(each.features):
            yield each
            continue
        left = {name: feature for name, feature in each.features.items() if name not in names}
        if left:
            yield replace(each, features=left)


def _names(each: Declared) -> tuple[str, ...]:
    return (each.name,) if isinstance(each, Derived) else tuple(each.features)
