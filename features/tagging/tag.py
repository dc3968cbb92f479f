"""Tag: a statement about a patient, the rule that makes it, and what the rule reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Layer = Literal["basic", "health", "behaviour", "need", "tier"]
_NONE, _TRUE = np.array(None, dtype=object), np.array(True, dtype=object)
Columns = Mapping[str, np.ndarray]
LAYERS: dict[str, tuple[str, str]] = {
    "basic": ("基础属性", "basic"),
    "health": ("健康状态", "health"),
    "behaviour": ("行为特征", "behaviour"),
    "need": ("心理需求", "need"),
    "tier": ("分层", "tier"),
}


@dataclass(frozen=True)
class Ground:
    """One way in which a tag comes to hold.

    Parameters
    ----------
    needs
        Features (and facts) that it reads; it counts only where the purpose allows all of them.
    holds
        From those columns, in that order, to (n,) booleans, or objects: the tag's value, None where
        it does not hold. A null input never makes it hold.
    rule_zh, rule_en
        The rule in plain words.
    """

    needs: tuple[str, ...]
    holds: Callable[..., np.ndarray]
    rule_zh: str
    rule_en: str


@dataclass(frozen=True)
class Tag:
    """A tag of one of the four layers, or a tier.

    Parameters
    ----------
    code, zh, en
        Its name. Codes are unique among tags, and among tiers.
    static
        True where it rarely changes.
    grounds
        Any of them is enough; the first that holds gives the value.
    words
        Value -> (zh, en), for a tag that has values.
    sensitive
        Shown only under a consent that covers sensitive topics.
    weak
        The rule rests on weak evidence, and says so.
    edges
        Days after an event at which the rule may turn without another event.
    """

    code: str
    zh: str
    en: str
    layer: Layer
    grounds: tuple[Ground, ...]
    static: bool = False
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    sensitive: bool = False
    weak: bool = False
    edges: tuple[float, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for ground in self.grounds for name in ground.needs))

    def allowed(self, names: frozenset[str]) -> tuple[Ground, ...]:
        """Return the grounds that read nothing but these features."""
        return tuple(ground for ground in self.grounds if names.issuperset(ground.needs))

    def values(self, columns: Columns, names: frozenset[str], rows: int) -> np.ndarray:
        """Return (n,) objects: True or the value where the tag holds, None where it does not or cannot be known.

        Parameters
        ----------
        columns
            Features and facts by name, (n,) each.
        names
            Those that may be read.
        rows
            n.
        """
        found = np.full(rows, None, dtype=object)
        for ground in self.allowed(names):
            with np.errstate(invalid="ignore"):
                held = ground.holds(*(columns[name] for name in ground.needs))
            found = np.where(absent(found), truly(held) if held.dtype == bool else held, found)
        return found


def absent(values: np.ndarray) -> np.ndarray:
    """Return (n,) whether an object is None."""
    found: np.ndarray = np.equal(values, _NONE)
    return found


def truly(holds: np.ndarray) -> np.ndarray:
    """Return (n,) objects: True where it holds, else None."""
    return np.where(holds, _TRUE, _NONE)


def flag(code: str, zh: str, en: str, layer: Layer, *grounds: Ground, **marks: object) -> Tag:
    """Return a tag that holds or does not."""
    return Tag(code, zh, en, layer, grounds, **marks)  # type: ignore[arg-type]


def chosen(*cases: tuple[np.ndarray, str]) -> np.ndarray:
    """Return (n,) objects: the value of the first case that holds in each row, else None."""
    found = np.full(len(cases[0][0]), None, dtype=object)
    for holds, value in reversed(cases):
        found[holds] = value
    return found
