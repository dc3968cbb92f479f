"""Recommender: the approved head and the state of the items, asked for one person now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import InputError
from features.instants import DAY
from features.params import section
from features.vector import Feature, VectorSpec
from training import manifest
from training.affinity.item import Item
from training.affinity.learn import Learned, learn
from training.affinity.ranking import FEATURES, WEEK_H, Pool, Topics
from training.affinity.readers import Readership, readership
from training.affinity.values import affinity_values
from training.evaluate import EvaluationValues, flat
from training.explanation import Explanation
from training.fitted import Fitted, bands
from training.landmarks import without_consent
from training.models.values import model_values
from training.scorer import Scorer
from training.task import Task

if TYPE_CHECKING:
    from features.lake import Lake

CANDIDATES = "candidates.json"


@dataclass(frozen=True)
class Ranked:
    """The items of a list, best first, and what each rests on.

    Parameters
    ----------
    items
        (k,) in order.
    affinity
        (k,) calibrated probability that the item is opened on a day with reading.
    rows
        (k, columns) what the head read, in the order of the spec.
    explanation
        Of the k rows.
    relative
        (k, groups) group contributions less their mean over all candidates of this person, so that
        what is the same for every item vanishes; groups in the order of ``explanation.groups``.
    """

    items: tuple[Item, ...]
    affinity: np.ndarray
    rows: np.ndarray
    explanation: Explanation
    relative: np.ndarray


@dataclass(frozen=True)
class Recommender:
    """A head that orders items, with popularity and neighbours as of ``trained_at`` (UTC microseconds).

    Parameters
    ----------
    scorer
        The calibrated head.
    places
        Content id -> place in ``recent``, ``week`` and ``near``.
    near
        For each item the (places, similarities) of its neighbours.
    topics
        What each item was about.
    clinical
        Topic -> codelist that it belongs to.
    """

    scorer: Scorer
    trained_at: int
    half_life_h: float
    places: dict[str, int]
    recent: np.ndarray
    week: np.ndarray
    near: tuple[tuple[np.ndarray, np.ndarray], ...]
    topics: tuple[frozenset[str], ...]
    clinical: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path, digest: str) -> Recommender:
        """Read an approved artefact; every file's digest is checked before it is parsed.

        Raises
        ------
        InputError
            A file is missing, changed or unreadable.
        """
        scorer = Scorer.load(folder, digest)
        files = manifest.read(folder, digest)
        if CANDIDATES not in files:
            raise InputError("the artefact lacks this file", where=CANDIDATES)
        told = json.loads(files[CANDIDATES])
        near = tuple((np.array(p, dtype=np.int64), np.array(w, dtype=np.float64)) for p, w in told["near"])
        return cls(
            scorer,
            told["trained_at"],
            told["half_life_h"],
            {name: place for place, name in enumerate(told["items"])},
            np.array(told["recent"], dtype=np.float64),
            np.array(told["week"], dtype=np.float64),
            near,
            tuple(frozenset(each) for each in told["topics"]),
            told["clinical"],
        )

    def rank(
        self,
        history: Sequence[tuple[str, int]],
        items: Sequence[Item],
        conditions: frozenset[str],
        at: int,
        k: int,
        since: Sequence[tuple[str, int]] = (),
    ) -> Ranked:
        """Order items for one person.

        Parameters
        ----------
        history
            (content id, time) of what the person opened; later than ``at`` is not read.
        items
            What safety lets the person see; those already opened are left out.
        conditions
            Codelists on record: see ``training.affinity.readers.conditions``.
        at
            UTC microseconds.
        k
            How many to return at most.
        since
            (content id, time) of everybody's touches since ``trained_at``, to keep popularity fresh.
        """
        opened = [name for name, time in history if time <= at]
        offered = [item for item in items if item.content_id not in set(opened)]
        if not offered:
            empty = self.scorer.explain(np.empty((0, len(FEATURES))))
            return Ranked((), empty.probability, np.empty((0, len(FEATURES))), empty, empty.group_contributions)
        rows = self._rows(opened, offered, conditions, at, since)
        found = self.scorer.explain(rows)
        order = np.argsort(-found.margin, kind="stable")[:k]
        mean = found.group_contributions.mean(axis=0)
        kept = Explanation(
            found.margin[order],
            found.base,
            found.contributions[order],
            found.group_contributions[order],
            found.groups,
            found.probability[order],
        )
        return Ranked(
            tuple(offered[place] for place in order),
            kept.probability,
            rows[order],
            kept,
            kept.group_contributions - mean,
        )

    def _rows(
        self,
        opened: list[str],
        offered: list[Item],
        conditions: frozenset[str],
        at: int,
        since: Sequence[tuple[str, int]],
    ) -> np.ndarray:
        count = len(offered)
        column = {item.content_id: number for number, item in enumerate(offered)}
        known = np.array([self.places.get(item.content_id, -1) for item in offered])
        popular = [
            self._popularity(state, half_life, known, column, at, since)
            for state, half_life in ((self.recent, self.half_life_h), (self.week, WEEK_H))
        ]
        read_before = [self.topics[self.places[name]] for name in dict.fromkeys(opened) if name in self.places]
        topics = Topics.of([*(item.topics for item in offered), *read_before], self.clinical)
        born = np.array([at if item.published_at is None else item.published_at for item in offered], dtype=np.int64)
        pool = Pool(at, popular[0], popular[1], born, topics)
        read = topics.read(np.arange(count, count + len(read_before)))
        return pool.rows(np.arange(count), self._peers(opened, known), read, topics.held(conditions))

    def _popularity(
        self,
        state: np.ndarray,
        half_life_h: float,
        known: np.ndarray,
        column: dict[str, int],
        at: int,
        since: Sequence[tuple[str, int]],
    ) -> np.ndarray:
        hours = max(at - self.trained_at, 0) / (DAY / 24)
        found = np.where(known >= 0, state[np.maximum(known, 0)], 0.0) * 0.5 ** (hours / half_life_h)
        for name, time in since:
            if name in column and self.trained_at <= time <= at:
                found[column[name]] += 0.5 ** ((at - time) / (DAY / 24) / half_life_h)
        return found

    def _peers(self, opened: list[str], known: np.ndarray) -> np.ndarray:
        history = [self.places[name] for name in dict.fromkeys(opened) if name in self.places]
        scores = np.zeros(len(self.places) + 1)
        for place in history:
            neighbour, weight = self.near[place]
            scores[neighbour] += weight
        return scores[known] / max(len(history), 1)


def fit_affinity(task: Task, lake: Lake, overrides: tuple[str, ...] = ()) -> Fitted:
    """Fit, calibrate and judge the affinity head over a lake."""
    values, models = affinity_values(overrides), model_values(overrides)
    ids = lake.patients().astype(str)
    refused = without_consent(lake, ids)
    left_out = frozenset() if refused is None else frozenset(ids[refused].tolist())
    given = readership(lake, left_out)
    learned = learn(given, values, models, section("evaluation", EvaluationValues, overrides))
    scorer = Scorer.of(
        learned.head,
        task=task.name,
        horizon_days=task.horizon_days,
        spec=spec(task.purposes),
        bands=bands(learned.probability, models.bands),
        calibration=learned.calibration,
    )
    a, b = learned.calibration
    consent = (
        "no consents in this lake: model_development could not be asked, nobody left out"
        if refused is None
        else f"{len(left_out)} patients without consent to model_development left out"
    )
    return Fitted(
        task,
        scorer,
        population={
            "patients": len(given.touches.users),
            "items": len(given.items),
            "user_days": learned.user_days,
            "opened": learned.opened,
            "split": f"the last {values.test_days} days test, the {values.train_days} before train",
            "consent": consent,
        },
        model={"kind": scorer.kind, "calibration": {"a": a, "b": b}, "bands": list(scorer.bands)},
        figures=flat(learned.figures),
        parameters={name: str(value) for name, value in values.model_dump().items()},
        notes=(*learned.notes, consent),
        files={CANDIDATES: _state(learned, given, values.clinical)},
    )


def spec(purposes: tuple[str, ...]) -> VectorSpec:
    """Return the columns of the head."""
    return VectorSpec(
        tuple(
            Feature(name, zh, en, unit, group, None, purposes, False, False, {"ranking": name})
            for name, group, zh, en, unit in FEATURES
        )
    )


def _state(learned: Learned, given: Readership, clinical: Mapping[str, str]) -> str:
    near, items = learned.near, given.touches.items
    rows: list[Any] = [
        [near.neighbour[row].tolist(), [float(f"{weight:.6g}") for weight in near.weight[row]]]
        for row in (slice(near.starts[place], near.starts[place + 1]) for place in range(len(items)))
    ]
    return json.dumps(
        {
            "trained_at": learned.trained_at,
            "half_life_h": learned.half_life_h,
            "items": [str(item) for item in items],
            "topics": [sorted(item.topics) for item in given.items],
            "clinical": dict(clinical),
            "recent": learned.recent.tolist(),
            "week": learned.week.tolist(),
            "near": rows,
        }
    )
