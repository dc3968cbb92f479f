"""The display: a trained state of the items, brought to the catalogue and the touches of now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from training.affinity.catalogue import Catalogue, tfidf
from training.affinity.item import Item
from training.affinity.person import Person
from training.affinity.safety import Gate
from training.affinity.stage import FOLLOWED_H, Segments, Stage
from training.affinity.touches import HOUR, Touch, decayed

NEVER = np.iinfo(np.int64).max


class Display:
    """Items that can be asked for, with popularity and ages as of an instant.

    Parameters
    ----------
    stage, items
        As they were trained.
    offered
        The catalogue of now: it says what an item is; items that it lacks stay known for histories alone.
    at
        Instant of now, UTC microseconds.
    touches
        Everybody's since the stage, in any order.
    gate
        The filters over the items, where an earlier display of the same catalogue made them already.
    """

    def __init__(
        self,
        stage: Stage,
        items: Sequence[Item],
        offered: Sequence[Item],
        at: int,
        touches: Iterable[Touch] = (),
        base: Display | None = None,
    ) -> None:
        if base is None:
            now = {item.content_id: item for item in offered}
            known = [now.pop(item.content_id, item) for item in items]
            self.items: tuple[Item, ...] = (*known, *now.values())
            self.offered = np.zeros(len(self.items), dtype=bool)
            wanted = {item.content_id for item in offered}
            self.offered[[place for place, item in enumerate(self.items) if item.content_id in wanted]] = True
            self.gate = Gate(self.items)
            self.ids = np.array([item.content_id for item in self.items], dtype=object)
            self.trained = _widened(stage, tuple(items), self.items)
        else:
            self.items, self.offered, self.gate, self.trained = base.items, base.offered, base.gate, base.trained
            self.ids = base.ids
        self.place = self.trained.catalogue.place
        self.stage = _lived(self.trained, at, touches)
        for each in ("orders", "shares", "plain", "by_origin", "by_word"):
            getattr(self.stage, each)  # worked out here, not in the first request

    def lived(self, at: int, touches: Iterable[Touch]) -> Display:
        """Return the same display at a later instant."""
        return Display(self.trained, self.items, self.items, at, touches, base=self)

    def person(
        self, history: Sequence[tuple[str, int]], at: int, age: float | None, conditions: frozenset[str]
    ) -> Person:
        """Return a person from (content id, time) of what was touched by an instant."""
        first: dict[int, int] = {}
        for name, time in history:
            place = self.place.get(name)
            if place is not None and time <= at:
                first[place] = min(first.get(place, time), time)
        ordered = sorted(first.items(), key=lambda each: (each[1], each[0]))
        places = np.array([place for place, _ in ordered], dtype=np.int64)
        times = np.array([time for _, time in ordered], dtype=np.int64)
        return Person(places, times, age, conditions)


def _widened(stage: Stage, items: tuple[Item, ...], every: tuple[Item, ...]) -> Stage:
    """Return the stage over more items: a new one has no readers, and its own words, topics and author."""
    from scipy.sparse import csr_array

    catalogue = Catalogue.of(every)
    count, more = len(every), len(every) - len(items)

    def longer(each: np.ndarray, fill: float) -> np.ndarray:
        return np.concatenate([each, np.full(more, fill, dtype=each.dtype)])

    def wider(each: csr_array) -> csr_array:
        starts = np.concatenate([each.indptr, np.full(more, each.indptr[-1])])
        return csr_array((each.data, each.indices, starts), shape=(count, count))

    published = np.array([NEVER if item.published_at is None else item.published_at for item in every], dtype=np.int64)
    born = np.where(published == NEVER, longer(stage.born, NEVER), published)
    before, after = len(stage.catalogue.facet_names["author"]), len(catalogue.facet_names["author"])
    brought = longer(stage.origin, -1)
    origin = catalogue.facets["author"].copy()
    unsaid = (origin < 0) & (brought >= before)
    origin[unsaid] = brought[unsaid] - before + after
    reach = longer(stage.reach, np.nan)
    if more:
        size = int(origin.max(initial=0)) + 1
        own = np.flatnonzero((origin[: len(items)] >= 0) & ~np.isnan(reach[: len(items)]))
        many = np.bincount(origin[own], minlength=size)
        mean = np.bincount(origin[own], weights=reach[own], minlength=size) / np.maximum(many, 1)
        overall = float(np.nanmean(reach)) if len(own) else np.nan
        new = np.arange(len(items), count)
        reach[new] = np.where(origin[new] >= 0, np.where(many[origin[new]] > 0, mean[origin[new]], overall), np.nan)
    segments = stage.segments
    return replace(
        stage,
        catalogue=catalogue,
        born=born,
        last=np.where(np.arange(count) < len(items), longer(stage.last, 0), born),
        origin=origin,
        popular=np.concatenate([stage.popular, np.zeros((len(stage.popular), more))], axis=1),
        readers=longer(stage.readers, 0),
        worth=longer(stage.worth, 0),
        reach=reach,
        ease=wider(stage.ease),
        near=wider(stage.near),
        followed=tuple(wider(each) for each in stage.followed),
        text=stage.text
        if tuple(every) == tuple(items)
        else tfidf(catalogue.words, longer(stage.born, NEVER) < stage.at),
        segments=Segments(
            segments.conditions,
            np.concatenate([segments.items, np.zeros((*segments.items.shape[:2], more), np.float32)], axis=2),
            _renamed(segments.topics, stage.catalogue.topic_names, catalogue.topic_names),
            _renamed(segments.formats, stage.catalogue.facet_names["format"], catalogue.facet_names["format"]),
        ),
    )


def _renamed(lift: np.ndarray, before: Sequence[str], after: Sequence[str]) -> np.ndarray:
    """Return the columns under their names in another catalogue; a new name has no lift."""
    found = np.zeros((len(lift), max(len(after), 1)))
    place = {name: column for column, name in enumerate(before)}
    for column, name in enumerate(after):
        if name in place:
            found[:, column] = lift[:, place[name]]
    return found


def _lived(stage: Stage, at: int, touches: Iterable[Touch]) -> Stage:
    """Return the stage aged to an instant, with the touches since."""
    place = stage.catalogue.place
    since = [each for each in touches if each.content_id in place and stage.at <= each.time < at]
    item = np.array([place[each.content_id] for each in since], dtype=np.int64)
    time = np.array([each.time for each in since], dtype=np.int64)
    worth = np.array([each.worth for each in since], dtype=float)
    hours, age_h = max(at - stage.at, 0) / HOUR, (at - time) / HOUR
    one, count = np.ones(len(item)), len(stage.born)
    several = {(each.content_id, each.reader or str(number)) for number, each in enumerate(since)}
    fresh = np.bincount(np.array([place[name] for name, _ in several], dtype=np.int64), minlength=count)
    popular = np.stack(
        [
            before * 0.5 ** (hours / half) + decayed(item, age_h, one, half, count)
            for before, half in zip(stage.popular, stage.half_lives, strict=True)
        ]
    )
    last = stage.last.copy()
    np.maximum.at(last, item, time)
    followed = zip(stage.followed, FOLLOWED_H, strict=True)
    return replace(
        stage,
        at=max(at, stage.at),
        popular=popular,
        readers=stage.readers + fresh,
        worth=stage.worth + np.bincount(item, weights=worth, minlength=count),
        last=last,
        followed=tuple(each * 0.5 ** (hours / half) for each, half in followed),
    )
