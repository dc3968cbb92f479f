"""The columns that rank items for a person, the same in training and in serving."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np
from numba import njit, types

from features.instants import DAY
from training.affinity import similarity
from training.affinity.gathered import PLACES, REAL, Gathered
from training.affinity.person import Person
from training.affinity.stage import PLAIN, Stage
from training.affinity.touches import HOUR
from training.affinity.values import affinity_values

Column = tuple[str, str, str, str, str]
RECENT = 10
"""Items that the latest interest is made of."""
PEERS = "peers"
_FIXED: tuple[Column, ...] = (
    ("popularity_rank", "popularity", "近期热度名次", "rank by recent popularity", "1"),
    ("readers", "popularity", "阅读人数", "number of readers", "log"),
    ("trend", "popularity", "热度走势", "trend of popularity", "log"),
    ("engagement", "popularity", "点赞收藏程度", "worth of a touch", "1"),
    ("reach", "popularity", "作者往期阅读人数", "readers of the author's earlier items", "log"),
    ("pace", "popularity", "近期阅读频率", "items read in the last week", "log"),
    ("age", "freshness", "发布时长", "time since publication", "log h"),
    ("age_rank", "freshness", "新旧名次", "rank by publication", "1"),
    ("quiet", "freshness", "距最近一次被读", "time since anyone's last touch", "log h"),
    ("age_fit", "freshness", "与惯常新旧之差", "distance from the usual age of items read", "log h"),
    ("idle", "freshness", "距本人上次阅读", "time since the patient's last reading", "log h"),
    ("ease", PEERS, "相似读者的选择", "chosen by readers of the same items", "1"),
    ("ease_rank", PEERS, "相似读者选择的名次", "rank among peers' choices", "1"),
    ("neighbours", PEERS, "相似内容的共同读者", "readers in common with items read", "1"),
    ("neighbours_rank", PEERS, "共同读者的名次", "rank by readers in common", "1"),
    ("followed_day", PEERS, "相似读者一天内的选择", "read lately by similar readers, a day", "1"),
    ("followed_week", PEERS, "相似读者一周内的选择", "read lately by similar readers, a week", "1"),
    ("followed_rank", PEERS, "相似读者近期选择的名次", "rank by what similar readers read lately", "1"),
    ("history", PEERS, "已读条数", "items read so far", "log"),
    ("text", "topic", "与已读文字的相似", "wording like that of items read", "1"),
    ("text_rank", "topic", "文字相似的名次", "rank by wording", "1"),
    ("text_recent", "topic", "与最近所读文字的相似", "wording like that of the latest items", "1"),
    ("topic", "topic", "与已读主题的重合", "overlap with topics read", "1"),
    ("origin", "topic", "已读同一作者的条数", "items read of the same author", "log"),
    ("origin_lift", "topic", "对该作者的偏好", "preference for the author", "log"),
    ("department", "topic", "对该科室的偏好", "preference for the department", "log"),
    ("format", "topic", "对该形式的偏好", "preference for the format", "log"),
    ("layer", "topic", "对该层次的偏好", "preference for the layer", "log"),
    ("language", "topic", "对该语言的偏好", "preference for the language", "log"),
    ("condition", "clinical_match", "与自身疾病相关", "about a condition on record", "1"),
    ("segment_recent", "clinical_match", "同类患者近期的选择", "read lately by patients alike", "log"),
    ("segment_long", "clinical_match", "同类患者长期的选择", "read by patients alike", "log"),
    ("segment_topic", "clinical_match", "同类患者对主题的偏好", "topics of patients alike", "log"),
    ("segment_format", "clinical_match", "同类患者对形式的偏好", "formats of patients alike", "log"),
)


@functools.cache
def columns(half_lives: tuple[float, ...]) -> tuple[Column, ...]:
    """Return (name, group, zh, en, unit) of every column, popularity by half-life first."""
    decayed = tuple(
        (f"popular_{each:g}h", "popularity", f"热度（半衰期{each:g}小时）", f"popularity, half-life {each:g} h", "log")
        for each in half_lives
    )
    return decayed + _FIXED


@functools.cache
def names(half_lives: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(name for name, *_ in columns(half_lives))


@functools.cache
def places(half_lives: tuple[float, ...]) -> Mapping[str, int]:
    """Return the place of each column."""
    return {name: place for place, name in enumerate(names(half_lives))}


@functools.cache
def plain_columns(half_lives: tuple[float, ...]) -> np.ndarray:
    """Return the places of the columns of `Stage.plain`."""
    every = places(half_lives)
    return np.array([*range(len(half_lives)), *(every[name] for name in PLAIN)])


def peers_columns(half_lives: tuple[float, ...]) -> np.ndarray:
    """Return the places of the columns that an item without readers lacks."""
    own = ("ease", "ease_rank", "neighbours", "neighbours_rank", "followed_day", "followed_week", "followed_rank")
    every = names(half_lives)
    return np.array([every.index(name) for name in own])


class Sight:
    """What one person's history makes of all items: dense scores, each worked out when first asked for."""

    def __init__(self, stage: Stage, person: Person) -> None:
        self.stage, self.person = stage, person

    @functools.cached_property
    def ease(self) -> np.ndarray:
        return similarity.scores(self.stage.ease, self.person.history)

    @functools.cached_property
    def neighbours(self) -> np.ndarray:
        return similarity.scores(self.stage.near, self.person.history)

    @functools.cached_property
    def followed(self) -> tuple[np.ndarray, ...]:
        return tuple(similarity.scores(each, self.person.history) for each in self.stage.followed)

    @functools.cached_property
    def profile(self) -> np.ndarray:
        """(words,) mean TF-IDF row of the history."""
        return self._profile(self.person.history)

    @functools.cached_property
    def near(self) -> np.ndarray:
        """(items,) cosine of each item's text with the profile."""
        said = np.flatnonzero(self.profile)
        return Gathered(self.stage.by_word, said).total(self.profile[said])

    @functools.cached_property
    def latest(self) -> np.ndarray:
        return self._profile(self.person.history[-RECENT:])

    def _profile(self, history: np.ndarray) -> np.ndarray:
        found = Gathered(self.stage.text, history[-100:]).total()
        return found / max(np.sqrt((found**2).sum()), 1e-12)

    @functools.cached_property
    def held(self) -> np.ndarray:
        """(topics,) 1 where a topic belongs to a condition on record."""
        clinical = affinity_values().clinical
        return np.array(
            [clinical.get(name, name) in self.person.conditions for name in self.stage.catalogue.topic_names]
            or [False],
            dtype=float,
        )

    @functools.cached_property
    def segments(self) -> list[int]:
        return self.stage.segments.rows(self.person.band, self.person.conditions)


def rows(sight: Sight, candidates: np.ndarray) -> np.ndarray:
    """Return the (n, columns) of the candidates for one person; NaN where nothing can be said.

    Parameters
    ----------
    candidates
        (n,) places of the items; ranks are among them.
    """
    stage, person = sight.stage, sight.person
    column = places(stage.half_lives)
    found = np.full((len(candidates), len(column)), np.nan)

    def put(name: str, value: np.ndarray | float) -> None:
        found[:, column[name]] = value

    found[:, plain_columns(stage.half_lives)] = stage.plain[candidates]
    put("popularity_rank", ranked(stage.popular[len(stage.popular) // 2 - 1][candidates]))
    put("age_rank", ranked(stage.born[candidates].astype(float)))
    put("pace", np.log1p((person.time > stage.at - 7 * DAY).sum()))
    if len(person.history):
        usual = np.log1p(np.maximum(person.time - stage.born[person.history], 0) / HOUR)
        put("age_fit", np.abs(found[:, column["age"]] - np.median(usual[-50:])))
        put("idle", np.log1p((stage.at - person.time.max()) / HOUR))
        _put_peers(put, sight, candidates)
    put("history", np.log1p(len(person.history)))
    _put_topic(put, sight, candidates)
    _put_clinical(put, sight, candidates)
    return found


Put = Callable[[str, "np.ndarray | float"], None]


def _put_peers(put: Put, sight: Sight, candidates: np.ndarray) -> None:
    stage = sight.stage
    read = stage.readers[candidates] > 0
    for name in ("ease", "neighbours") if stage.ease.nnz else ("neighbours",):
        value = getattr(sight, name)[candidates]
        put(name, np.where(read, value, np.nan))
        put(f"{name}_rank", np.where(read, ranked(value), np.nan))
    day, week = (score[candidates] for score in sight.followed)
    put("followed_day", np.where(read, day, np.nan))
    put("followed_week", np.where(read, week, np.nan))
    put("followed_rank", np.where(read, ranked(day), np.nan))


def _put_topic(put: Put, sight: Sight, candidates: np.ndarray) -> None:
    stage, history, catalogue = sight.stage, sight.person.history, sight.stage.catalogue
    if not len(history):
        return
    if catalogue.words.nnz:
        text = Gathered(stage.text, candidates)
        worded = catalogue.worded[candidates]
        near = sight.near[candidates]
        put("text", np.where(worded, near, np.nan))
        put("text_rank", np.where(worded, ranked(near), np.nan))
        put("text_recent", np.where(worded, text.dot(sight.latest), np.nan))
    if catalogue.topic_names:
        read = Gathered(catalogue.topics, history).total(1 / len(history))
        about = Gathered(catalogue.topics, candidates)
        many = about.filled()
        put("topic", np.where(many > 0, about.dot(read) / np.maximum(many, 1), np.nan))
    count, lift = _preference(stage.origin, stage.shares["origin"], history, candidates)
    put("origin", np.log1p(count))
    put("origin_lift", lift)
    for facet in ("department", "format", "layer", "language"):
        put(facet, _preference(catalogue.facets[facet], stage.shares[facet], history, candidates)[1])


def _put_clinical(put: Put, sight: Sight, candidates: np.ndarray) -> None:
    stage, catalogue = sight.stage, sight.stage.catalogue
    about = Gathered(catalogue.topics, candidates) if catalogue.topic_names else None
    if about is not None:
        put("condition", (about.dot(sight.held) > 0).astype(float))
    mine = sight.segments
    if not mine:
        return
    segments = stage.segments
    for name, by in zip(("segment_recent", "segment_long"), segments.items, strict=True):
        put(name, np.log1p(by[np.array(mine)[:, None], candidates].sum(axis=0)))
    if about is not None:
        many = np.maximum(about.filled(), 1)
        put("segment_topic", about.dot(segments.topics[mine].sum(axis=0)) / many)
    formats = catalogue.facets["format"][candidates]
    lift = segments.formats[mine].sum(axis=0)
    put("segment_format", np.where(formats >= 0, lift[np.maximum(formats, 0)], np.nan))


def ranked(score: np.ndarray) -> np.ndarray:
    """Return (n,) the share of the others that score higher: 0 for the best, ties alike."""
    down = np.sort(-score)
    return np.searchsorted(down, -score, side="left") / max(len(score), 1)


def _preference(
    value: np.ndarray, base: np.ndarray, history: np.ndarray, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many items of the history share each candidate's value, and the log lift over its share of all there.

    NaN where the candidate has no value. ``base`` is that share by value, empty where nothing there has any.
    """
    count, ratio = np.full((2, len(candidates)), np.nan)
    if len(base):
        _prefer(value, base, history, candidates, count, ratio)
    return count, np.log(ratio)


_PREFER = types.void(PLACES, REAL, PLACES, PLACES, types.float64[::1], types.float64[::1])


@njit(_PREFER, cache=True, nogil=True)
def _prefer(value, base, history, candidates, count, ratio):  # type: ignore[no-untyped-def]
    read, total = np.zeros(len(base)), 0
    for place in history:
        if value[place] >= 0:
            read[value[place]] += 1
            total += 1
    for number in range(len(candidates)):
        mine = value[candidates[number]]
        if mine >= 0:
            count[number] = read[mine]
            ratio[number] = (read[mine] + 5 * base[mine]) / (total + 5) / base[mine]
