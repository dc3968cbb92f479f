"""The models that may score: approved versions, loaded by digest, swapped whole."""

from __future__ import annotations

import bisect
import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import features
from features.behind import Behind
from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.plan import Plan, compile_plan
from features.tagging.health import ACUTE, acute
from features.tags import tags
from serving.approvals import folder
from serving.journal import log, where
from serving.production import Standing
from training import manifest
from training.affinity.recommender import Recommender
from training.explanation import ExplanationFault
from training.intervals import FILE as INTERVALS
from training.intervals import Intervals
from training.scorer import Scorer
from training.stability import FILE as STABILITY
from training.stability import Stability
from training.task import Task
from training.tasks import task as task_named

BANDS = ("low", "medium", "high", "very_high")
Declared = FeatureGroup | Derived
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Served:
    """One approved model.

    Attributes
    ----------
    card
        The artefact's card.
    approval
        The ledger's entry: version, digest, author, approver, at.
    stamp
        Sizes and times of its files when they were read: whether somebody touched them since.
    challenger
        What is scored in its shadow.
    stability
        How often its reasons are named again when it is fitted again; None where it was not asked.
    intervals
        Venn-ABERS intervals beside its risks; None where the version carries none.
    """

    task: Task
    scorer: Scorer
    card: Mapping[str, Any]
    approval: Mapping[str, Any]
    stamp: Stamp = ()
    challenger: Served | None = None
    stability: Stability | None = None
    intervals: Intervals | None = None

    @property
    def version(self) -> str:
        return str(self.approval["version"])

    @property
    def digest(self) -> str:
        return str(self.approval["digest"])

    @property
    def exploratory(self) -> bool:
        """Trained on too few events: answers only where a caller asks for exploratory models."""
        return bool(self.card.get("exploratory", False))

    @property
    def from_history(self) -> bool:
        """Scored from a patient's events; not from a questionnaire, nor for a pair of patient and item."""
        return self.task.questionnaire is None and self.task.kind != "affinity"

    def named(self) -> dict[str, str]:
        return {"name": self.task.name, "version": self.version, "digest": self.digest}

    def band(self, probability: float) -> str:
        """Return low, medium, high or very_high by the cut-offs stored with the version."""
        return BANDS[bisect.bisect_right(self.scorer.bands, probability)]

    @functools.cached_property
    def used(self) -> frozenset[str]:
        """Features that the model splits on or weighs."""
        return frozenset(self.scorer.used)

    @functools.cached_property
    def used_groups(self) -> frozenset[str]:
        return frozenset(self.scorer.groups[name] for name in self.used)

    def unknown(self, row: np.ndarray) -> list[str]:
        """Return the clinical groups that the model uses and of which every used feature is null."""
        groups, places, whose = self._members
        known = np.bincount(whose, ~np.isnan(row[places]), len(groups))
        return [group for group, any_known in zip(groups, known.tolist(), strict=True) if not any_known]

    @functools.cached_property
    def _members(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Return the groups used, in order, the places of the features used, and the group of each."""
        groups = sorted(self.used_groups)
        names = [(place, name) for place, name in enumerate(self.scorer.spec.names) if name in self.used]
        whose = [groups.index(self.scorer.groups[name]) for _, name in names]
        return groups, np.array([place for place, _ in names], np.int64), np.array(whose, np.int64)

    @functools.cached_property
    def features(self) -> tuple[dict[str, Any], ...]:
        """What is said of each feature beside its value, in the order of the vector."""
        return tuple(
            {
                "feature": each.name,
                "label_zh": each.label_zh,
                "label_en": each.label_en,
                "unit": each.unit,
                "group": each.group,
                "window_days": each.days,
            }
            for each in self.scorer.spec.features
        )


@dataclass(frozen=True)
class Models:
    """All served models and the one plan that computes their inputs in one sweep.

    Attributes
    ----------
    served
        Task -> model.
    refused
        Task -> (digest, stamp) of the approved files that could not be loaded.
    recommender
        What orders content, where its model is approved.
    """

    served: Mapping[str, Served]
    plan: Plan
    refused: Mapping[str, tuple[str, Stamp]] = field(default_factory=dict)
    recommender: Recommender | None = None

    @classmethod
    def approved(cls, home: Path, standing: Mapping[str, Standing], earlier: Models | None = None) -> Models:
        """Load what is in production; what is loaded already and untouched is taken over from ``earlier``.

        A model whose files, golden rows or feature definitions are not what was approved is left
        out and named in ``refused``; the others stand.
        """
        served: dict[str, Served] = {}
        refused: dict[str, tuple[str, Stamp]] = {}
        recommender = None
        for name, found in standing.items():
            held = earlier.served.get(name) if earlier else None
            try:
                served[name] = replace(
                    _taken(home, name, found.approval, held),
                    challenger=_challenger(home, name, found.challenger, held.challenger if held else None),
                )
                same = held is not None and held.scorer is served[name].scorer
                found_before = earlier.recommender if earlier and same else None
                recommender = _recommender(home, served[name], found_before) or recommender
            except Exception as error:
                served.pop(name, None)
                digest = found.approval["digest"]
                refused[name] = (digest, _stamp(folder(home, name, digest)))
                log().error("model refused", task=name, digest=digest, **where(error))
        return cls(served, _plan(tuple(served.values())), refused, recommender)

    @classmethod
    def alone(cls, home: Path, name: str, approval: Mapping[str, Any]) -> Models:
        """Load one version by its digest, whether or not it is in production: what a replay asks."""
        served = _load(home, name, approval)
        return cls({name: served}, _plan((served,)), recommender=_recommender(home, served, None))

    def touched(self, home: Path) -> bool:
        """Say whether files of a model, served or refused, were changed since they were read."""
        held = [each for served in self.served.values() for each in (served, served.challenger) if each is not None]
        seen = [(each.task.name, each.digest, each.stamp) for each in held]
        seen += [(name, *told) for name, told in self.refused.items()]
        return any(stamp != _stamp(folder(home, name, digest)) for name, digest, stamp in seen)

    @functools.cached_property
    def behind(self) -> Behind:
        """What finds the events behind the values of the plan."""
        return Behind(self.plan)

    @functools.cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.plan.spec.names)}

    @functools.cached_property
    def _inputs(self) -> dict[str, np.ndarray]:
        every = dict(self.scored)
        every |= {_beside(name): one.challenger for name, one in self.scored.items() if one.challenger}
        return {
            name: np.array([self._places[feature] for feature in served.scorer.spec.names], np.int64)
            for name, served in every.items()
        }

    @functools.cached_property
    def scored(self) -> dict[str, Served]:
        """Task -> model, of the tasks that /v1/score answers."""
        return {name: served for name, served in self.served.items() if served.from_history}

    def vector(self, tables: Mapping[str, pa.Table], patient_id: str, at: int) -> np.ndarray:
        """Return (features,) of the plan for one patient at one instant: one sweep for all tasks."""
        return self.plan.vectors(tables, [patient_id], np.array([at], np.int64))[0]

    def inputs(self, vector: np.ndarray, task: str) -> np.ndarray:
        """Return the (..., features) inputs of one task's model out of the plan's vector or vectors."""
        return vector[..., self._inputs[task]]

    def shadowed(self, vector: np.ndarray, task: str) -> dict[str, Any]:
        """Return what the challenger of a task makes of the plan's vector, under ``shadow``; nothing without one."""
        beside = self.scored[task].challenger
        if beside is None:
            return {}
        probability = float(beside.scorer.probability(vector[self._inputs[_beside(task)]][None, :])[0])
        return {"shadow": {"model": beside.named(), "probability": probability, "band": beside.band(probability)}}

    def reads(self, tasks: tuple[str, ...]) -> frozenset[str]:
        """Return every feature that some tasks read, and what those are derived from."""
        own = self._reads
        return own[tasks[0]] if len(tasks) == 1 else frozenset().union(*(own[task] for task in tasks))

    @functools.cached_property
    def _reads(self) -> dict[str, frozenset[str]]:
        """Return task -> inputs of its model and challenger, what its criteria need, what tells acute illness."""
        found = {}
        for task, served in self.scored.items():
            wanted = {*served.scorer.spec.names, *served.task.cohort.needs, *ACUTE}
            wanted.update(served.challenger.scorer.spec.names if served.challenger else ())
            for _, feature, _ in reversed(self.plan.derived):
                if feature.name in wanted:
                    wanted.update(feature.inputs)
            found[task] = frozenset(wanted)
        return found

    def columns(self, vector: np.ndarray, names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return some features as columns of one row, as cohort criteria read them."""
        return {name: vector[self._places[name]][None] for name in names}

    def acute(self, vector: np.ndarray) -> bool:
        """Say whether a vector of the plan speaks of acute illness."""
        return bool(acute(tags().values, *self.columns(vector, ACUTE).values())[0])

    def unsound(self) -> tuple[str, ...]:
        """Return the tasks whose model was refused or no longer explains its golden rows."""
        wrong = list(self.refused)
        for name, served in self.served.items():
            try:
                served.scorer.explain(served.scorer.model.rows(1))
            except ExplanationFault:
                wrong.append(name)
        return tuple(f"model {name}" for name in wrong)


def _taken(home: Path, name: str, approval: Mapping[str, Any], held: Served | None) -> Served:
    """Return a model that is held already and untouched, or load it."""
    stamp = _stamp(folder(home, name, approval["digest"]))
    if held is not None and (held.digest, held.stamp) == (approval["digest"], stamp):
        return replace(held, approval=approval)
    return replace(_load(home, name, approval), stamp=stamp)


def _recommender(home: Path, served: Served, held: Recommender | None) -> Recommender | None:
    """Return what orders content by a model, if that is what it does: the one that is held, or loaded."""
    if served.task.kind != "affinity":
        return None
    return held or Recommender.load(folder(home, served.task.name, served.digest), served.digest)


def _challenger(home: Path, name: str, entry: Mapping[str, Any] | None, held: Served | None) -> Served | None:
    """Return what is scored in the shadow; a challenger that cannot be loaded harms nobody."""
    if entry is None:
        return None
    try:
        return _taken(home, name, entry, held)
    except Exception as error:
        log().error("challenger refused", task=name, digest=entry["digest"], **where(error))
        return None


def _stamp(place: Path) -> Stamp:
    try:
        return tuple(sorted((each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in place.iterdir()))
    except OSError:
        return ()


def _beside(task: str) -> str:
    return f"{task} challenger"


def _load(home: Path, name: str, approval: Mapping[str, Any]) -> Served:
    return read(folder(home, name, approval["digest"]), name, approval)


def read(place: Path, name: str, approval: Mapping[str, Any]) -> Served:
    """Read one model from a folder, by its digest.

    Raises
    ------
    InputError
        Its files, its golden rows, its task or the definitions of its features are not what was approved.
    """
    task = task_named(name)
    scorer = Scorer.load(place, approval["digest"])
    files = manifest.read(place, approval["digest"])
    card = json.loads(files["card.json"])
    if scorer.task != name:
        raise InputError("the artefact is another task's", where=name)
    stability = Stability.from_json(files[STABILITY]) if STABILITY in files else None
    beside = Intervals.from_json(files[INTERVALS]) if INTERVALS in files else None
    found = Served(task, scorer, card, approval, stability=stability, intervals=beside)
    if found.from_history:
        here = compile_plan(declared((task,)), scorer.spec.names).spec
        if here.digest != scorer.spec.digest:
            raise InputError("its feature definitions are not those of this code", where=name, remedy="train it again")
    return found


def _plan(served: tuple[Served, ...]) -> Plan:
    every = (*served, *(each.challenger for each in served if each.challenger is not None))
    wanted = [name for each in every if each.from_history for name in each.scorer.spec.names]
    wanted += [name for each in served if each.task.questionnaire is None for name in each.task.cohort.needs]
    wanted += ACUTE if any(each.from_history for each in served) else ()
    return compile_plan(declared(tuple(each.task for each in served)), tuple(dict.fromkeys(wanted)))


def declared(tasks: tuple[Task, ...]) -> tuple[Declared, ...]:
    """Return the catalogue and the tasks' own groups, each once."""
    groups: dict[str, Declared] = {group.name: group for group in features.catalogue()}
    for task in tasks:
        for own in task.own:
            if groups.setdefault(own.name, own) != own:
                raise InputError(f"two groups are named '{own.name}'", where=f"task {task.name}")
    return tuple(groups.values())
