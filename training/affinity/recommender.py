"""Recommender: the approved ranker and head over a state of the items, asked for one person now."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from features.errors import InputError
from features.vector import Feature, VectorSpec
from training import manifest
from training.affinity.arrange import Arranged, explore, spread
from training.affinity.blend import BLEND, TREES, Blend
from training.affinity.columns import Sight, columns, rows
from training.affinity.display import Display
from training.affinity.item import Item
from training.affinity.person import Person
from training.affinity.retrieve import retrieve
from training.affinity.safety import REASONS, Reader, excluded
from training.affinity.stage import Stage
from training.affinity.state import ARRAYS, WORDS, from_files
from training.affinity.touches import Touch
from training.affinity.values import AffinityValues, affinity_values
from training.calibrate import sigmoid
from training.explanation import ExplanationFault
from training.scorer import Scorer
from training.trees import TreeModel
from training.treeshap import TreeShap
from training.treeshap.forest import Forest
from training.treeshap.leaves import Leaves

ORDER = "order.txt"
"""The ranker's model text in the artefact."""
MEASURED = 48
"""Candidates, evenly through the ranking, over which a person's mean contributions are taken."""
WITHIN = 1e-9


@dataclass(frozen=True)
class Listed:
    """A list: what is shown, what it rests on, and what must be logged.

    Parameters
    ----------
    items
        (k,) in order.
    affinity
        (k,) calibrated probability of the head that the item is opened in a day with reading.
    score
        (k,) margin of the ranker: what ordered them.
    relative
        (k, groups) contributions of the ranker's groups less their mean over this person's candidates.
    mean
        (groups,) that mean.
    groups
        Their names.
    rows
        (k, columns) what ranker and head read.
    propensity
        (k,) probability of each item in its slot.
    eligible
        Content ids of the candidates.
    sampled
        Content ids that the exploring slot drew from.
    barred, verdict, catalogue
        Places of the items that the person may not see, the code of the reason by place, and the items.
    """

    items: tuple[Item, ...]
    affinity: np.ndarray
    score: np.ndarray
    relative: np.ndarray
    mean: np.ndarray
    groups: tuple[str, ...]
    rows: np.ndarray
    propensity: np.ndarray
    eligible: tuple[str, ...]
    sampled: tuple[str, ...]
    slot: int
    explored: bool
    barred: np.ndarray
    verdict: np.ndarray
    catalogue: tuple[Item, ...]

    @functools.cached_property
    def withheld(self) -> dict[str, str]:
        """Content id -> reason, for every item that the person may not see."""
        reasons = (REASONS[code] for code in self.verdict[self.barred].tolist())
        return {self.catalogue[place].content_id: why for place, why in zip(self.barred.tolist(), reasons, strict=True)}


@dataclass(frozen=True, eq=False)
class Recommender:
    """What orders content.

    Parameters
    ----------
    scorer
        The calibrated head.
    order
        Margins of the ranker's trees; ``together`` explains them by group.
    blend
        What stands beside them in the score.
    stage, items
        As trained: see `Display`.
    head
        Margins of the head.
    used_groups
        Groups that the ranker splits on.
    """

    scorer: Scorer
    order: Callable[[np.ndarray], np.ndarray]
    together: TreeShap
    stage: Stage
    items: tuple[Item, ...]
    head: Leaves
    blend: Blend
    used_groups: frozenset[str]
    values: AffinityValues = field(default_factory=affinity_values)

    @classmethod
    def load(cls, folder: Path, digest: str) -> Recommender:
        """Read an approved artefact; every file's digest is checked before it is parsed.

        Raises
        ------
        InputError
            A file is missing, changed or unreadable.
        """
        scorer = Scorer.load(folder, digest)
        texts, arrays = manifest.read(folder, digest), manifest.arrays(folder, digest)
        for name in (ORDER, WORDS, BLEND):
            if name not in texts:
                raise InputError("the artefact lacks this file", where=name)
        if ARRAYS not in arrays:
            raise InputError("the artefact lacks this file", where=ARRAYS)
        stage, items = from_files(arrays[ARRAYS], texts[WORDS])
        return cls.of(scorer, texts[ORDER], stage, items, Blend.of(texts[BLEND]))

    @classmethod
    def of(cls, scorer: Scorer, order: str, stage: Stage, items: tuple[Item, ...], blend: Blend = TREES) -> Recommender:
        """Put the parts together; ``order`` is the ranker's model text."""
        forest = Forest.parse(order, ORDER)
        every = columns(stage.half_lives)
        if forest.features != tuple(name for name, *_ in every) or scorer.spec.names != forest.features:
            raise InputError("its columns are not those of this code", where=ORDER, remedy="train again")
        members: dict[str, list[str]] = {}
        for name, group, *_ in every:
            members.setdefault(group, []).append(name)
        split = {int(feature) for tree in forest.trees for feature in tree.feature}
        grown = {group for place, (_, group, *_) in enumerate(every) if place in split}
        trees = grown if blend.readers.trees or blend.newcomers.trees else set()
        used = frozenset(trees | set(blend.groups(stage.half_lives)) - {""})
        if not isinstance(scorer.model, TreeModel):
            raise InputError("the head is not trees", where="recommender", remedy="train again")
        head = Leaves(Forest.parse(scorer.model.text))
        return cls(scorer, Leaves(forest), TreeShap(forest, members), stage, items, head, blend, used)

    def display(self, offered: Sequence[Item], at: int, touches: Sequence[Touch] = ()) -> Display:
        """Return the items of a catalogue with their state brought to an instant."""
        return Display(self.stage, self.items, offered, at, touches)

    def recommend(
        self,
        display: Display,
        person: Person,
        reader: Reader,
        at: int,
        k: int,
        seed: int,
        tired: frozenset[str] = frozenset(),
        explain: bool = True,
    ) -> Listed:
        """Return a list for one person: filtered, ranked, arranged, filtered again, explained.

        Parameters
        ----------
        reader
            What the filters must know of the person.
        seed
            Of the exploring slot; logged.
        tired
            Content ids shown often enough without being opened.
        explain
            Work out the contributions of what is shown.
        """
        pool, verdict = self.offered(display, person, reader, at, k, tired)
        sight = Sight(display.stage, person)
        barred = np.flatnonzero(display.offered & (verdict >= 0))
        candidates = retrieve(sight, pool, self.values)
        table = rows(sight, candidates)
        score = self.score(table)
        order = spread(score, candidates, display.stage.catalogue, k, self.values)
        arranged = explore(order, len(candidates), self.values, seed)
        kept = [
            slot
            for slot, place in enumerate(arranged.order)
            if excluded(display.items[candidates[place]], reader, at) is None
        ]
        final = arranged.order[kept]
        own, mean = self.explained(table, score, final) if explain else (np.zeros((len(final), 0)), np.zeros(0))
        return self._listed(display, candidates, table[final], score[final], arranged, kept, own, mean, barred, verdict)

    def offered(
        self, display: Display, person: Person, reader: Reader, at: int, k: int, tired: frozenset[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (items,) what candidates are taken from, and the place in REASONS of why an item is withheld, else -1.

        What was read, or shown too often, is left out where enough remains.
        """
        verdict = display.gate.verdict(reader, at)
        allowed = display.offered & (verdict < 0) & display.stage.there
        unread = allowed.copy()
        unread[person.history] = False
        rested = unread.copy()
        rested[[display.place[name] for name in tired if name in display.place]] = False
        if int(rested.sum()) < k:
            return unread if unread.any() else allowed, verdict
        verdict[unread & ~rested] = REASONS.index("fatigue")
        return rested, verdict

    def _listed(
        self,
        display: Display,
        candidates: np.ndarray,
        shown: np.ndarray,
        score: np.ndarray,
        arranged: Arranged,
        kept: list[int],
        own: np.ndarray,
        mean: np.ndarray,
        barred: np.ndarray,
        verdict: np.ndarray,
    ) -> Listed:
        ids = display.ids[candidates].tolist()
        return Listed(
            tuple(display.items[candidates[place]] for place in arranged.order[kept]),
            self.likely(shown),
            score,
            own - mean,
            mean,
            self.together.players,
            shown,
            arranged.propensity[kept],
            tuple(ids),
            tuple(ids[place] for place in arranged.sampled),
            arranged.slot,
            arranged.explored,
            barred,
            verdict,
            display.items,
        )

    def score(self, table: np.ndarray) -> np.ndarray:
        """Return (n,) what orders the rows."""
        return self.blend.score(self.order(table), table, self.stage.half_lives)

    def likely(self, table: np.ndarray) -> np.ndarray:
        """Return (n,) the calibrated head's probability; equal to the scorer's, which explains too."""
        a, b = self.scorer.calibration
        return sigmoid(a * self.head(table) + b)

    def contributions(self, table: np.ndarray, score: np.ndarray) -> np.ndarray:
        """Return (n, groups) what each group adds to the score of each row.

        Raises
        ------
        ExplanationFault
            They do not add up to the score of one of the first rows, for which it is given.
        """
        half_lives = self.stage.half_lives
        found, _, margin = self.together.explain(table)
        explained = self.blend.score(margin, table, half_lives)[: len(score)]
        if not (np.abs(explained - score) <= WITHIN).all():
            raise ExplanationFault("the ranker explains another margin than the one that ordered the list")
        found = found * self.blend.trees(table, half_lives)[:, None]
        added = self.blend.added(table, half_lives)
        for group, each in zip(self.blend.groups(half_lives), added.T, strict=True):
            if group:
                found[:, self.together.players.index(group)] += each
        return np.asarray(found)

    def explained(self, table: np.ndarray, score: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (shown, groups) contributions, and their (groups,) mean over the person's candidates.

        The mean is over at most MEASURED candidates, evenly through the ranking. Less it, what is the same for
        every item vanishes, what put an item above the others stays.
        """
        if not len(shown):
            return np.zeros((0, len(self.together.players))), np.zeros(len(self.together.players))
        ranked = np.argsort(-score, kind="stable")
        count = min(MEASURED, len(ranked))
        spaced = ranked[np.linspace(0, len(ranked) - 1, count).round().astype(int)]
        found = self.contributions(table[np.concatenate([shown, spaced])], score[shown])
        return found[: len(shown)], found[len(shown) :].mean(axis=0)


def spec(purposes: tuple[str, ...], half_lives: tuple[float, ...] | None = None) -> VectorSpec:
    """Return the columns of ranker and head."""
    chosen = half_lives or affinity_values().half_lives_h
    return VectorSpec(
        tuple(
            Feature(name, zh, en, unit, group, None, purposes, False, False, {"ranking": name})
            for name, group, zh, en, unit in columns(chosen)
        )
    )
