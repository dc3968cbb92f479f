"""Tags and tiers by rule, from a patient's vector (tags that a model sets are set in serving)."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from features import params
from features.groups.health_tools import WEEK
from features.plan import Plan, Ready, compile_plan
from features.tagging import behaviour, tiers
from features.tagging.basic import basic
from features.tagging.facts import FACTS, Facts
from features.tagging.health import ACUTE, acute, health
from features.tagging.since import moments, since
from features.tagging.tag import Tag, absent, truly
from features.tagging.values import TagValues, tag_values

UNDETERMINED = ("未定", "undetermined")
Values = dict[str, np.ndarray]


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
    """Every rule, compiled: one plan over the features that they read.

    Parameters
    ----------
    values
        Thresholds; by default those of params.yaml.
    """

    def __init__(self, values: TagValues | None = None) -> None:
        from features.groups import CATALOGUE

        self.values = values or tag_values()
        self.tags: tuple[Tag, ...] = (
            *basic(self.values),
            *health(self.values),
            *behaviour.behaviour(self.values),
            *behaviour.need(self.values),
        )
        self.activity, self.value = tiers.activity(self.values), tiers.value(self.values)
        needs = dict.fromkeys(name for tag in (*self.tags, *self.activity, *self.value) for name in tag.needs)
        wanted = [name for name in (*needs, "online_count_90d", *ACUTE) if name not in FACTS]
        self.plan: Plan = compile_plan(CATALOGUE, tuple(dict.fromkeys(wanted)))

    def names(self, purpose: str | None) -> frozenset[str]:
        """Return the features and facts that may be read for a purpose; None: all."""
        purposes = {each.name: each.purposes for each in self.plan.spec.features} | dict(FACTS)
        return frozenset(name for name, allowed in purposes.items() if purpose is None or purpose in allowed)

    def version(self, tag: Tag) -> str:
        """Return a digest of all that decides a rule: its words with their thresholds, and its features."""
        rules = [[ground.rule_en, list(ground.needs)] for ground in tag.grounds]
        read = [self.plan.spec[name].definition for name in tag.needs if name not in FACTS]
        told = json.dumps([tag.code, rules, read], ensure_ascii=False, sort_keys=True)
        return f"1+{hashlib.sha256(told.encode()).hexdigest()[:8]}"

    def judged(self, columns: Mapping[str, np.ndarray], names: frozenset[str], rows: int) -> Values:
        """Return (n,) objects for each tag, for ``activity`` and for each value tier; None where it does not hold.

        Parameters
        ----------
        columns
            The features of the plan and the facts.
        names
            Those that may be read. A tag none of whose grounds may be judged is left out; a set of
            tiers is too, where one of them cannot be judged.
        """
        found = {tag.code: tag.values(columns, names, rows) for tag in self.tags if tag.allowed(names)}
        if all(names.issuperset(tag.needs) for tag in self.activity):
            tier = np.full(rows, tiers.UNDETERMINED["activity"], dtype=object)
            for tag in reversed(self.activity):
                tier[~absent(tag.values(columns, names, rows))] = tag.code
            found["activity"] = tier
        if all(tag.allowed(names) for tag in self.value):
            held = {tag.code: tag.values(columns, names, rows) for tag in self.value}
            none = np.all([absent(each) for each in held.values()], axis=0)
            found |= held | {tiers.UNDETERMINED["value"]: truly(none)}
        return found

    def columns(self, ready: Ready, facts: Facts, which: np.ndarray, at: np.ndarray) -> Values:
        """Return the features of the plan and the facts of some landmarks, by name."""
        vectors = self.plan.swept(ready, which, at)
        return {name: vectors[:, place] for place, name in enumerate(self.plan.spec.names)} | facts.columns(which, at)

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
        own = {name: table for name, table in tables.items() if name in self.plan.columns or name == "observed"}
        ready = self.plan.ready(own, pa.array([patient_id], pa.string()))
        facts, names = Facts(ready, own, contents, self.values.read_from), self.names(purpose)

        def ask(when: np.ndarray) -> Values:
            which = np.zeros(len(when), np.int64)
            return self.judged(self.columns(ready, facts, which, when), names, len(when))

        started = since(ask, moments(own, self.edges, at))
        now = {name: found[0] for name, found in ask(np.array([at], np.int64)).items()}
        held = tuple(
            Held(tag, now[tag.code], self.version(tag), started[tag.code])
            for tag in self.tags
            if now.get(tag.code) is not None
        )
        return Profile(held, self._tiers(now, started, ready, facts, names, at))

    def acute(self, tables: Mapping[str, pa.Table], patient_id: str, at: int) -> bool:
        """Say whether a patient's events speak of acute illness: nothing but care is then sent."""
        vector = self.plan.vectors(tables, [patient_id], np.array([at], np.int64))
        place = {name: number for number, name in enumerate(self.plan.spec.names)}
        return bool(acute(self.values, *(vector[:, place[name]] for name in ACUTE))[0])

    @functools.cached_property
    def edges(self) -> tuple[float, ...]:
        """Lengths of windows, and ages of events that rules name, in days."""
        windows = {reduction.selection.days for reduction in self.plan.reductions.values()} - {None}
        named = {edge for tag in (*self.tags, *self.activity, *self.value) for edge in tag.edges}
        uses = {WEEK, *(WEEK + days for days in windows if days is not None)}
        return tuple(sorted(float(each) for each in windows | named | uses if each is not None))

    def _tiers(
        self,
        now: Mapping[str, object],
        started: Mapping[str, int],
        ready: Ready,
        facts: Facts,
        names: frozenset[str],
        at: int,
    ) -> tuple[Tier, ...]:
        found = []
        if "activity" in now:
            tag = next((each for each in self.activity if each.code == now["activity"]), None)
            found.append(self._tier(tag, "activity", started["activity"], False))
        columns = self.columns(ready, facts, np.zeros(1, np.int64), np.array([at], np.int64))
        for tag in self.value:
            if now.get(tag.code) is not None:
                without = tag.values(columns, names - tiers.SPEND, 1)[0]
                found.append(self._tier(tag, "value", started[tag.code], without is None))
        if now.get(tiers.UNDETERMINED["value"]) is not None:
            found.append(self._tier(None, "value", started[tiers.UNDETERMINED["value"]], False))
        return tuple(found)

    def _tier(self, tag: Tag | None, scheme: str, since: int, review: bool) -> Tier:
        if tag is None:
            all_of = self.activity if scheme == "activity" else self.value
            told = json.dumps([self.version(each) for each in all_of])
            version = f"1+{hashlib.sha256(told.encode()).hexdigest()[:8]}"
            return Tier(tiers.UNDETERMINED[scheme], *UNDETERMINED, scheme, version, since, False)
        return Tier(tag.code, tag.zh, tag.en, scheme, self.version(tag), since, review)


def tags() -> Tags:
    """Return the rules with the thresholds of params.yaml; compiled once."""
    return _compiled(params.path())


@functools.cache
def _compiled(_file: Path) -> Tags:
    return Tags()
