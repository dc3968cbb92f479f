"""Stage 1: all that is known of the items at an instant, made of what was known strictly before it."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.affinity import similarity
from training.affinity.catalogue import Catalogue, tfidf
from training.affinity.person import BANDS
from training.affinity.touches import HOUR, Touches, decayed
from training.affinity.values import AffinityValues

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FOLLOWED_H = (24.0, 168.0)
"""Half-lives of what similar readers touched lately."""
PLAIN = ("readers", "trend", "engagement", "reach", "age", "quiet")
"""Columns beside popularity that are the same whoever asks, as `training.affinity.columns` names them."""
REACH = 3.0
"""Items of average reach that every author is taken to have written before the first."""


@dataclass(frozen=True)
class Segments:
    """Who reads what, by age band and by condition: rows are the bands, then the conditions.

    Parameters
    ----------
    conditions
        Names of the codelists that occur.
    items
        (half-lives, segments, items) decayed touches.
    topics, formats
        (segments, topics), (segments, formats) log lift of a segment's share of touches over everybody's.
    """

    conditions: tuple[str, ...]
    items: np.ndarray
    topics: np.ndarray
    formats: np.ndarray

    def rows(self, band: int, conditions: frozenset[str]) -> list[int]:
        """Return the segments that a person belongs to; an unknown age is none."""
        own = [BANDS + place for place, name in enumerate(self.conditions) if name in conditions]
        return ([band] if band else []) + own


@dataclass(frozen=True)
class Stage:
    """State of the items at an instant; arrays are by place in the catalogue.

    Parameters
    ----------
    at
        UTC microseconds: nothing at or after it is in here.
    born, last
        (items,) when an item can be shown from, and its last touch (its birth where there is none).
    origin
        (items,) number of who brought the item: its author, else who touched it first; -1 for neither.
    popular
        (half-lives, items) touches, each halved in weight every half-life.
    readers, worth
        (items,) distinct users, and the sum of the touches' weights.
    reach
        (items,) readers that earlier items of the same origin found on average, shrunk to the mean.
    ease, near
        Item-to-item weights; ``ease`` is empty where the catalogue is too large for it.
    followed
        By half-life of FOLLOWED_H: see `similarity.followed`.
    text
        (items, words) TF-IDF rows of length 1.
    """

    at: int
    catalogue: Catalogue
    half_lives: tuple[float, ...]
    born: np.ndarray
    last: np.ndarray
    origin: np.ndarray
    popular: np.ndarray
    readers: np.ndarray
    worth: np.ndarray
    reach: np.ndarray
    ease: csr_array
    near: csr_array
    followed: tuple[csr_array, ...]
    text: csr_array
    segments: Segments

    @functools.cached_property
    def there(self) -> np.ndarray:
        """(items,) True where an item can be shown at the instant."""
        return self.born < self.at

    @functools.cached_property
    def shares(self) -> dict[str, np.ndarray]:
        """By facet, and for the origin: the share of the items there that have each value, one added to each."""
        found = {}
        for name, value in {**self.catalogue.facets, "origin": self.origin}.items():
            many = np.bincount(value[self.there & (value >= 0)], minlength=int(value.max(initial=-1)) + 1)
            found[name] = (many + 1) / (many.sum() + int((many > 0).sum())) if many.any() else np.empty(0)
        return found

    @functools.cached_property
    def by_word(self) -> csr_array:
        """(words, items) the same as ``text``, by word."""
        from scipy.sparse import csr_array

        return csr_array(self.text.T)

    @functools.cached_property
    def by_origin(self) -> csr_array:
        """(origins, items) 1 where the item was brought by the origin."""
        from scipy.sparse import csr_array

        known = np.flatnonzero(self.origin >= 0)
        shape = (int(self.origin.max(initial=-1)) + 1, len(self.origin))
        return csr_array((np.ones(len(known)), (self.origin[known], known)), shape=shape)

    @functools.cached_property
    def plain(self) -> np.ndarray:
        """(items, half-lives + PLAIN) the columns that are the same whoever asks."""
        popular = np.log1p(self.popular)
        return np.column_stack(
            [
                *popular,
                np.log1p(self.readers),
                popular[0] - popular[-1],
                (self.worth + 3.0) / (self.readers + 2.0),
                np.log1p(self.reach),
                np.log1p(np.maximum(self.at - self.born, 0) / HOUR),
                np.log1p(np.maximum(self.at - self.last, 0) / HOUR),
            ]
        )

    @functools.cached_property
    def orders(self) -> tuple[np.ndarray, ...]:
        """For each half-life the places of all items, most popular first; then newest first."""
        newest = np.where(self.there, self.born, np.iinfo(np.int64).min)
        return (*(np.lexsort((-newest, -each)) for each in self.popular), np.argsort(-newest, kind="stable"))


def stage(
    touches: Touches,
    catalogue: Catalogue,
    at: int,
    values: AffinityValues,
    band: np.ndarray,
    held: csr_array | None,
    conditions: tuple[str, ...],
) -> Stage:
    """Make the state at an instant.

    Parameters
    ----------
    band
        (users,) age band of each user at the instant, 0 where unknown.
    held
        (users, conditions) 1 where a condition was on record by then; None where the lake has none.
    """
    from scipy.sparse import csr_array

    past = touches.before(at)
    user, item, time = touches.user[past], touches.item[past], touches.time[past]
    count, users = len(touches.items), len(touches.users)
    age_h = (at - time) / HOUR
    popular = np.stack([decayed(item, age_h, np.ones(len(past)), h, count) for h in values.half_lives_h])
    _, first = np.unique(touches.pair[past], return_index=True)
    own, of = user[first], item[first]
    readers = np.bincount(of, minlength=count)
    last = touches.born.copy()
    np.maximum.at(last, item, time)
    origin = _origin(catalogue, touches, item, user)
    common = similarity.shared(own, of, users, count)
    recent = [first[age_h[first] < 5 * half] for half in FOLLOWED_H]
    place = np.full(len(past), -1)
    place[first] = np.arange(len(first))
    followed = tuple(
        similarity.followed(own, of, place[new], users, count, 0.5 ** (age_h[new] / half), values.neighbours)
        for new, half in zip(recent, FOLLOWED_H, strict=True)
    )
    dense = int((readers > 1).sum()) <= values.ease_items
    return Stage(
        at,
        catalogue,
        values.half_lives_h,
        touches.born,
        last,
        origin,
        popular,
        readers,
        np.bincount(item, weights=touches.weight[past], minlength=count),
        _reach(origin, readers, touches.born < at),
        similarity.ease(common, readers, values.neighbours, values.ridge) if dense else csr_array(common.shape),
        similarity.neighbours(common, readers, values.neighbours, values.shrinkage),
        followed,
        tfidf(catalogue.words, touches.born < at),
        _segments(catalogue, np.flatnonzero(touches.born < at), own, of, age_h[first], values, band, held, conditions),
    )


def _origin(catalogue: Catalogue, touches: Touches, item: np.ndarray, user: np.ndarray) -> np.ndarray:
    author = catalogue.facets["author"]
    found = author.copy()
    named, begin = np.unique(item, return_index=True)
    unsaid = author[named] < 0
    found[named[unsaid]] = len(catalogue.facet_names["author"]) + user[begin[unsaid]]
    return found


def _reach(origin: np.ndarray, readers: np.ndarray, there: np.ndarray) -> np.ndarray:
    known = np.flatnonzero(there & (origin >= 0))
    if not len(known):
        return np.full(len(origin), np.nan)
    size = int(origin.max()) + 1
    total = np.bincount(origin[known], weights=readers[known], minlength=size)
    many = np.bincount(origin[known], minlength=size)
    mean = readers[known].mean()
    own = np.where(there, readers, 0)
    others = total[origin] - own
    found = (others + REACH * mean) / (np.maximum(many[origin] - there, 0) + REACH)
    return np.where(origin >= 0, found, np.nan)


def _segments(
    catalogue: Catalogue,
    there: np.ndarray,
    user: np.ndarray,
    item: np.ndarray,
    age_h: np.ndarray,
    values: AffinityValues,
    band: np.ndarray,
    held: csr_array | None,
    conditions: tuple[str, ...],
) -> Segments:
    from scipy.sparse import csr_array, hstack

    users = len(band)
    bands = csr_array((np.ones(users), (np.arange(users), band)), shape=(users, BANDS))
    member = csr_array(hstack([bands, held])) if held is not None and held.shape[1] else bands
    size = (users, len(catalogue))

    def by(weight: np.ndarray) -> np.ndarray:
        return np.asarray((member.T @ csr_array((weight, (user, item)), shape=size)).todense())

    decays = [0.5 ** (age_h / half) for half in values.segment_half_lives_h]
    total = by(np.ones(len(user)))
    formats = catalogue.facets["format"]
    of_format = np.zeros((len(catalogue), max(len(catalogue.facet_names["format"]), 1)))
    of_format[np.flatnonzero(formats >= 0), formats[formats >= 0]] = 1
    return Segments(
        conditions,
        np.stack([by(decay) for decay in decays]).astype(np.float32),
        _lift(np.asarray(total @ catalogue.topics), catalogue.topics[there].sum(axis=0) > 0),
        _lift(total @ of_format, of_format[there].sum(axis=0) > 0),
    )


def _lift(counts: np.ndarray, there: np.ndarray, prior: float = 20.0) -> np.ndarray:
    """Return log of each segment's share over everybody's, shrunk by ``prior``; 0 for what was not there yet."""
    everybody = counts[:BANDS].sum(axis=0)
    base = (everybody + 0.5) / (everybody.sum() + 0.5 * max(int(there.sum()), 1))
    return there * np.log((counts + prior * base) / (counts.sum(axis=1, keepdims=True) + prior) / base)
