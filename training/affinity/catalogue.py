"""Catalogue: what is said of each item, as arrays: who wrote it, what it is about, how it is worded."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from training.affinity.item import Item

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FACETS = ("author", "department", "format", "layer", "language")
"""Columns of ``contents`` with one value an item."""
WORDS = 2**15
_RUNS = re.compile(r"[\u3400-\u9fff]+|[^\W_\u3400-\u9fff]+")


@dataclass(frozen=True)
class Catalogue:
    """Items by place.

    Parameters
    ----------
    ids
        (items,) content ids.
    facets
        Facet -> (items,) number of its value, -1 where the catalogue does not say.
    topics
        (items, topics) 0 and 1; the names are in ``topic_names``.
    words
        (items, WORDS) counts of hashed words and character n-grams of title and topics; rows of
        items without any are empty.
    """

    ids: tuple[str, ...]
    facets: Mapping[str, np.ndarray]
    facet_names: Mapping[str, tuple[str, ...]]
    topics: csr_array
    topic_names: tuple[str, ...]
    words: csr_array
    place: Mapping[str, int] = field(repr=False)

    @staticmethod
    def of(items: Sequence[Item]) -> Catalogue:
        facets, names = {}, {}
        for facet in FACETS:
            values = np.array([getattr(item, facet) for item in items], dtype=object)
            named = sorted({value for value in values if value})
            number = {value: code for code, value in enumerate(named)}
            facets[facet] = np.array([number.get(value, -1) for value in values], dtype=np.int64)
            names[facet] = tuple(named)
        topic_names = tuple(sorted(frozenset().union(*(item.topics for item in items)))) if items else ()
        ids = tuple(item.content_id for item in items)
        return Catalogue(
            ids,
            facets,
            names,
            _topics(items, topic_names),
            topic_names,
            _words([_text(item) for item in items]),
            {name: place for place, name in enumerate(ids)},
        )

    def __len__(self) -> int:
        return len(self.ids)

    @functools.cached_property
    def by_topic(self) -> csr_array:
        """(topics, items) the same as ``topics``, by topic."""
        from scipy.sparse import csr_array

        return csr_array(self.topics.T)

    @functools.cached_property
    def worded(self) -> np.ndarray:
        """(items,) True where there is a title or a topic."""
        return np.diff(self.words.indptr) > 0


def tfidf(words: csr_array, known: np.ndarray) -> csr_array:
    """Return the counts weighted by 1 + log(tf) and smoothed idf over the known items, rows of length 1.

    The weighting is that of Salton and Buckley (1988); ``known`` (items,) marks the items that were
    there, so that later ones do not speak.
    """
    from scipy.sparse import csr_array

    there = words[np.flatnonzero(known)]
    frequency = np.bincount(there.indices, minlength=words.shape[1])
    idf = np.log((1 + there.shape[0]) / (1 + frequency)) + 1
    data = (1 + np.log(words.data)) * idf[words.indices]
    rows = np.repeat(np.arange(words.shape[0]), np.diff(words.indptr))
    length = np.sqrt(np.bincount(rows, weights=data**2, minlength=words.shape[0]))
    return csr_array((data / np.maximum(length[rows], 1e-12), words.indices, words.indptr), shape=words.shape)


def _text(item: Item) -> str:
    return " ".join([item.title, *sorted(item.topics)]).strip()


def _topics(items: Sequence[Item], names: tuple[str, ...]) -> csr_array:
    from scipy.sparse import csr_array

    number = {name: code for code, name in enumerate(names)}
    columns = [sorted(number[topic] for topic in item.topics) for item in items]
    starts = np.concatenate([[0], np.cumsum([len(each) for each in columns])]).astype(np.int32)
    flat = np.array([code for each in columns for code in each], dtype=np.int32)
    return csr_array((np.ones(len(flat)), flat, starts), shape=(len(items), max(len(names), 1)))


def _words(texts: list[str]) -> csr_array:
    """Hash words (Latin script) and character pairs and triples (Chinese has no spaces) of each text."""
    from scipy.sparse import csr_array

    if not any(texts):
        return csr_array((len(texts), WORDS))
    return csr_array(_hasher().transform(texts))


@functools.cache
def _hasher():  # type: ignore[no-untyped-def]  # scikit-learn is imported late and has no stubs
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(n_features=WORDS, analyzer=_terms, norm=None, alternate_sign=False)


def _terms(text: str) -> list[str]:
    """Return lower-case words, the first six letters of long ones, and pairs and triples of Chinese characters."""
    terms: list[str] = []
    for run in _RUNS.findall(text.lower()):
        if "\u3400" <= run[0] <= "\u9fff":
            terms += [run[at : at + size] for size in (2, 3) for at in range(len(run) - size + 1)] or [run]
        else:
            terms += [run] if len(run) <= 6 else [run, run[:6] + "~"]
    return terms
