"""Rules compiled together: one plan over what they read, and their answers over its vectors."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from features.groups.health_tools import WEEK
from features.plan import Plan, Ready, compile_plan
from features.tagging import tiers
from features.tagging.facts import BEHIND, FACTS, Facts
from features.tagging.since import first_known, moments, since
from features.tagging.tag import Tag, absent, truly
from features.tagging.values import TagValues

Values = dict[str, np.ndarray]


class Rules:
    """Some tags and tiers, and the plan of the features that they read.

    Parameters
    ----------
    tags
        Tags of the four layers.
    activity
        The activity tiers, the one that wins first; or none.
    value
        The value tiers; or none.
    values
        Thresholds.
    also
        Features to compute beside those that rules read.
    """

    def __init__(
        self,
        tags: tuple[Tag, ...],
        activity: tuple[Tag, ...],
        value: tuple[Tag, ...],
        values: TagValues,
        also: tuple[str, ...] = (),
    ) -> None:
        from features.groups import CATALOGUE

        self.tags, self.activity, self.value, self._values = tags, activity, value, values
        needs = [name for tag in self.every for name in tag.needs]
        behind = [BEHIND[name] for name in needs if name in BEHIND]
        wanted = dict.fromkeys(name for name in (*needs, *behind, *also) if name not in FACTS)
        self.plan: Plan = compile_plan(CATALOGUE, tuple(wanted))

    @property
    def every(self) -> tuple[Tag, ...]:
        return (*self.tags, *self.activity, *self.value)

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
        if self.activity and all(names.issuperset(tag.needs) for tag in self.activity):
            tier = np.full(rows, tiers.UNDETERMINED["activity"], dtype=object)
            for tag in reversed(self.activity):
                tier[~absent(tag.values(columns, names, rows))] = tag.code
            found["activity"] = tier
        if self.value and all(tag.allowed(names) for tag in self.value):
            held = {tag.code: tag.values(columns, names, rows) for tag in self.value}
            none = np.all([absent(each) for each in held.values()], axis=0)
            found |= held | {tiers.UNDETERMINED["value"]: truly(none)}
        return found

    def ready(self, tables: Mapping[str, pa.Table], patients: pa.Array, contents: pa.Table) -> tuple[Ready, Facts]:
        """Prepare the rows of some patients."""
        own = {name: table for name, table in tables.items() if name in self.plan.columns or name == "observed"}
        ready = self.plan.ready(own, patients)
        return ready, Facts(ready, own, contents, self._values.read_from)

    def columns(self, ready: Ready, facts: Facts, which: np.ndarray, at: np.ndarray) -> Values:
        """Return the features of the plan and the facts of some landmarks, by name."""
        vectors = self.plan.swept(ready, which, at)
        return {name: vectors[:, place] for place, name in enumerate(self.plan.spec.names)} | facts.columns(which, at)

    def since(
        self, tables: Mapping[str, pa.Table], contents: pa.Table, patient_id: str, at: int, names: frozenset[str]
    ) -> dict[str, tuple[object, int]]:
        """Return what holds of one patient, and since when: code (or ``activity``) -> (value, UTC microseconds)."""
        ready, facts = self.ready(tables, pa.array([patient_id], pa.string()), contents)

        def ask(when: np.ndarray) -> Values:
            which = np.zeros(len(when), np.int64)
            return self.judged(self.columns(ready, facts, which, when), names, len(when))

        now = {name: found[0] for name, found in ask(np.array([at], np.int64)).items()}
        holding = {name for name, value in now.items() if value is not None}
        if not holding:
            return {}

        def of_holding(when: np.ndarray) -> Values:
            return {name: values for name, values in ask(when).items() if name in holding}

        own = {name: table for name, table in tables.items() if name in self.plan.columns or name == "observed"}
        started = since(of_holding, moments(own, self.edges, first_known(tables), at))
        return {name: (now[name], started[name]) for name in holding}

    @functools.cached_property
    def edges(self) -> tuple[float, ...]:
        """Lengths of windows, and ages of events that rules name, in days."""
        windows = {each.selection.days for each in self.plan.reductions.values() if each.selection.days is not None}
        named = {edge for tag in self.every for edge in tag.edges}
        covered = any(each.kind == "coverage" for each in self.plan.reductions.values())
        uses = {WEEK, *(WEEK + days for days in windows)} if covered else set()
        return tuple(sorted(float(each) for each in windows | named | uses))
