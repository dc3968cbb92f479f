"""The features that rank items for a person, the same in training and in serving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.instants import DAY

WEEK_H = 168.0
FEATURES: tuple[tuple[str, str, str, str, str], ...] = (
    ("popularity_recent", "popularity", "近期热度", "recent popularity", "log"),
    ("popularity_week", "popularity", "一周热度", "popularity over a week", "log"),
    ("item_age", "freshness", "发布时长", "time since publication", "log d"),
    ("peers", "peers", "相似读者的选择", "chosen by readers of the same items", "1"),
    ("topic", "topic", "与已读主题的重合", "overlap with topics read", "1"),
    ("clinical_match", "clinical_match", "与自身疾病相关", "about a condition on record", "1"),
)
"""(name, group, zh, en, unit) of every column."""
NAMES = tuple(name for name, *_ in FEATURES)


@dataclass(frozen=True)
class Topics:
    """Which item is about what: ``about`` is (items, topics) of 0 and 1.

    ``clinical`` names the codelist that a topic belongs to, where it is not named as one itself.
    """

    names: tuple[str, ...]
    about: np.ndarray
    clinical: Mapping[str, str]

    @staticmethod
    def of(topics: list[frozenset[str]], clinical: Mapping[str, str]) -> Topics:
        names = tuple(sorted(frozenset().union(*topics))) if topics else ()
        about = np.array([[name in each for name in names] for each in topics], dtype=float)
        return Topics(names, about.reshape(len(topics), len(names)), clinical)

    def read(self, history: np.ndarray) -> np.ndarray:
        """Return (topics,) the share of a history that is about each topic."""
        return self.about[history].mean(axis=0) if len(history) else np.zeros(len(self.names))

    def held(self, conditions: frozenset[str]) -> np.ndarray:
        """Return (topics,) 1 where a topic belongs to one of the conditions."""
        return np.array([self.clinical.get(name, name) in conditions for name in self.names], dtype=float)


@dataclass(frozen=True)
class Pool:
    """What is known of a pool of items at an instant, whoever asks.

    Arrays are (items,): decayed touches by the recent and the weekly half-life, and when the item
    can be shown from (UTC microseconds).
    """

    at: int
    recent: np.ndarray
    week: np.ndarray
    born: np.ndarray
    topics: Topics

    def rows(self, candidates: np.ndarray, peers: np.ndarray, read: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Return the (n, 6) columns of :data:`FEATURES` of the candidates for one person.

        Parameters
        ----------
        candidates
            (n,) places of the items.
        peers
            (items,) similarity of each item to the person's history.
        read, held
            (topics,) share of the history, and conditions on record: see :class:`Topics`.
        """
        about = self.topics.about[candidates]
        many = np.maximum(about.sum(axis=1), 1.0)
        return np.column_stack(
            [
                np.log1p(self.recent[candidates]),
                np.log1p(self.week[candidates]),
                np.log1p(np.maximum(self.at - self.born[candidates], 0) / DAY),
                peers[candidates],
                about @ read / many,
                (about @ held > 0).astype(float),
            ]
        )
