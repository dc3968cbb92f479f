"""Tags and tiers by rule, from a patient's vector (tags that a model sets are set in serving)."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features import params
from features.tagging import behaviour, tiers
from features.tagging.basic import basic
from features.tagging.health import ACUTE, acute, health
from features.tagging.rules import Rules
from features.tagging.tag import Tag
from features.tagging.values import TagValues, tag_values

UNDETERMINED = ("未定", "undetermined")


@dataclass(frozen=True)
class Held:
    """A tag that a patient has.

    Attributes
    ----------
    value
        True, or the value of a tag that has values.
    version
        Of the rule: it changes with its words, its thresholds and the features it reads.
    since
        UTC microseconds since when it has held with this value.
    """

    tag: Tag
    value: bool | str
    version: str
    since: int


@dataclass(frozen=True)
class Tier:
    """A tier that a patient is in. ``review`` marks one that rests on spending."""

    code: str
    zh: str
    en: str
    scheme: str
    version: str
    since: int
    review: bool


@dataclass(frozen=True)
class Profile:
    """What the rules say of one patient at one instant, for one purpose."""

    tags: tuple[Held, ...]
    tiers: tuple[Tier, ...]


class Tags:
    """Every rule, compiled.

    Parameters
    ----------
    values
        Thresholds; by default those of params.yaml.
    """

    def __init__(self, values: TagValues | None = None) -> None:
        self.values = values or tag_values()
        self.tags: tuple[Tag, ...] = (
            *basic(self.values),
            *health(self.values),
            *behaviour.behaviour(self.values),
            *behaviour.need(self.values),
        )
        self.activity, self.value = tiers.activity(self.values), tiers.value(self.values)
        self.rules = Rules(self.tags, self.activity, self.value, self.values, ACUTE)
        self.versions = {tag.code: self.rules.version(tag) for tag in self.rules.every}

    @functools.cached_property
    def parts(self) -> tuple[Rules, ...]:
        """The rules by the tables that they read, so that each is asked again only when one of those changed."""
        by_tables: dict[frozenset[str], list[Tag]] = {}
        for tag in self.tags:
            by_tables.setdefault(frozenset(Rules((tag,), (), (), self.values).plan.columns), []).append(tag)
        some = [Rules(tuple(each), (), (), self.values) for each in by_tables.values()]
        return (*some, Rules((), self.activity, (), self.values), Rules((), (), self.value, self.values))

    def profile(
        self, tables: Mapping[str, pa.Table], contents: pa.Table, patient_id: str, at: int, purpose: str | None
    ) -> Profile:
        """Return what a patient's stored events say, asked now.

        Parameters
        ----------
        tables
            The patient's canonical tables.
        contents
            The canonical table ``contents``.
        at
            UTC microseconds.
        purpose
            Rules that read what may not be used for it are left out; None: none is.
        """
        names = self.rules.names(purpose)
        found: dict[str, tuple[Any, int]] = {}
        for part in self.parts:
            found |= part.since(tables, contents, patient_id, at, names)
        held = tuple(
            Held(tag, value, self.versions[tag.code], since)
            for tag in self.tags
            if tag.code in found
            for value, since in (found[tag.code],)
        )
        return Profile(held, self._tiers(found, tables, contents, patient_id, at, names))

    def acute(self, tables: Mapping[str, pa.Table], patient_id: str, at: int) -> bool:
        """Say whether a patient's events speak of acute illness: nothing but care is then sent."""
        plan = self._acute.plan
        vector = plan.vectors(tables, [patient_id], np.array([at], np.int64))
        place = {name: number for number, name in enumerate(plan.spec.names)}
        return bool(acute(self.values, *(vector[:, place[name]] for name in ACUTE))[0])

    @functools.cached_property
    def _acute(self) -> Rules:
        return Rules((), (), (), self.values, ACUTE)

    def _tiers(
        self,
        found: Mapping[str, tuple[Any, int]],
        tables: Mapping[str, pa.Table],
        contents: pa.Table,
        patient_id: str,
        at: int,
        names: frozenset[str],
    ) -> tuple[Tier, ...]:
        told = []
        if "activity" in found:
            code, since = found["activity"]
            told.append(
                self._tier(next((each for each in self.activity if each.code == code), None), "activity", since)
            )
        for each in self.value:
            if each.code in found:
                review = self._by_spend(each, tables, contents, patient_id, at, names)
                told.append(self._tier(each, "value", found[each.code][1], review))
        if tiers.UNDETERMINED["value"] in found:
            told.append(self._tier(None, "value", found[tiers.UNDETERMINED["value"]][1]))
        return tuple(told)

    def _by_spend(
        self,
        tag: Tag,
        tables: Mapping[str, pa.Table],
        contents: pa.Table,
        patient_id: str,
        at: int,
        names: frozenset[str],
    ) -> bool:
        """Say whether a tier holds by spending alone."""
        if not tiers.SPEND.intersection(tag.needs):
            return False
        part = self.parts[-1]
        ready, facts = part.ready(tables, pa.array([patient_id], pa.string()), contents)
        columns = part.columns(ready, facts, np.zeros(1, np.int64), np.array([at], np.int64))
        return tag.values(columns, names - tiers.SPEND, 1)[0] is None

    def _tier(self, tag: Tag | None, scheme: str, since: int, review: bool = False) -> Tier:
        if tag is None:
            told = [self.versions[each.code] for each in (self.activity if scheme == "activity" else self.value)]
            version = f"1+{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]}"
            return Tier(tiers.UNDETERMINED[scheme], *UNDETERMINED, scheme, version, since, False)
        return Tier(tag.code, tag.zh, tag.en, scheme, self.versions[tag.code], since, review)


def tags() -> Tags:
    """Return the rules with the thresholds of params.yaml; compiled once."""
    return _compiled(params.path())


@functools.cache
def _compiled(_file: Path) -> Tags:
    return Tags()
