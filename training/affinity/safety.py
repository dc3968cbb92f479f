"""Hard medical filters, before and after ranking, closed on doubt. Each exclusion has its reason."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import numpy as np

from features.codes import Codelist, all_codelists, normalise
from features.params import general
from training.affinity.item import Item
from training.affinity.values import affinity_values

Reason = Literal[
    "not_published", "not_reviewed", "expired", "wording", "age", "contraindicated", "sensitive", "fatigue"
]
REASONS: tuple[Reason, ...] = get_args(Reason)
"""In the order in which an item is asked; the first that holds is told. Fatigue is asked when a list is made."""
_CODES = re.compile(r"(?P<first>[A-Z][0-9][0-9A-Z]{0,5})(?:-(?P<last>[A-Z]?[0-9][0-9A-Z]{0,5}))?")
"""A code of ICD-10 or ATC as it is compared, or a range of them."""
_COMPARED = ("ICD-10", "ATC")
_VARIANTS = str.maketrans("癒瘉壹弌", "愈愈一一")
"""Traditional and variant characters of the forbidden words."""


@dataclass(frozen=True)
class Reader:
    """What the filters must know of a person.

    Parameters
    ----------
    age
        Years, None where unknown (an item with a minimum age is then withheld).
    conditions
        Names of the codelists on record (diagnoses, medicines), life stages (``pregnancy``), and the raw
        codes of the record.
    sensitive_consent
        True where a consent to sensitive topics stands and the channel is not shared.
    """

    age: float | None
    conditions: frozenset[str] = frozenset()
    sensitive_consent: bool = False

    def has(self, contraindication: str) -> bool:
        """Say whether a contraindication holds, or cannot be told: what no record could answer holds.

        A code of ICD-10 or ATC, or a range of either (``E10-E14``), is sought among the raw codes, narrower ones
        included. Where a codelist that the code belongs to is on record under no code of that kind (the hospital
        coded it in another system), the code may be meant, and holds.
        """
        if contraindication in self.conditions:
            return True
        if contraindication in _askable():
            return False
        asked = _CODES.fullmatch(normalise("ICD-10", contraindication))
        if asked is None:
            return True
        first, last, codes = asked["first"], asked["last"] or asked["first"], self._codes
        last = last if last[0].isalpha() else first[0] + last
        size = min(len(first), len(last))
        if any(code.startswith(first) or (first != last and first[:size] <= code[:size] <= last) for code in codes):
            return True
        return any(
            each.name in self.conditions and not any(_listed(each, code) for code in codes) for each in _lists(first)
        )

    @functools.cached_property
    def _codes(self) -> tuple[str, ...]:
        """What is on record as codes are compared; worked out once, whatever the catalogue asks."""
        return tuple(normalise("ICD-10", each) for each in self.conditions)


def unfit(item: Item, at: int) -> Reason | None:
    """Return why nobody may be shown an item at an instant, or None."""
    if item.published_at is None or item.published_at > at:
        return "not_published"
    if not reviewed(item):
        return "not_reviewed"
    if item.expires_at is None or item.expires_at <= at:
        return "expired"
    if worded_badly(item):
        return "wording"
    return None


def excluded(item: Item, reader: Reader, at: int) -> Reason | None:
    """Return why this person may not be shown an item at an instant, or None."""
    found = unfit(item, at)
    if found:
        return found
    least = item.min_age
    if least is not None and least != 0 and not (reader.age is not None and reader.age >= least):
        return "age"
    if any(reader.has(each) for each in item.contraindications):
        return "contraindicated"
    if sensitive(item) and not reader.sensitive_consent:
        return "sensitive"
    return None


def closed(item: Item, at: int) -> Reason | None:
    """Return why an item may not stand in the list for everyone at an instant, or None."""
    found = unfit(item, at)
    if found:
        return found
    if item.min_age:
        return "age"
    if item.contraindications:
        return "contraindicated"
    return "sensitive" if sensitive(item) else None


def reviewed(item: Item) -> bool:
    """Say whether enough doctors have reviewed it; a blank or the same name again does not count."""
    return len({each.strip().casefold() for each in item.reviewers} - {""}) >= affinity_values().reviewers


def sensitive(item: Item) -> bool:
    """Say whether an item is sensitive, or may be: nobody said that it is not, or one of its topics always is."""
    return item.sensitive is not False or _delicate(item.topics, affinity_values().sensitive_topics)


def worded_badly(item: Item) -> bool:
    """Say whether the title makes a claim that is forbidden, or there is no title to read."""
    return _claiming(item.title, affinity_values().forbidden)


def safe(items: Iterable[Item], reader: Reader, at: int) -> tuple[list[Item], dict[str, Reason]]:
    """Return the items that may be shown, in their order, and the reason of each other one."""
    kept, reasons = [], {}
    for item in items:
        why = excluded(item, reader, at)
        if why is None:
            kept.append(item)
        else:
            reasons[item.content_id] = why
    return kept, reasons


def for_everyone(items: Iterable[Item], at: int, channel: str) -> list[Item]:
    """Return what nobody must be kept from, in the order of `by_date`: the list that needs no patient data."""
    return by_date((item for item in items if closed(item, at) is None), channel)


def by_date(items: Iterable[Item], channel: str) -> list[Item]:
    """Return items by date and channel.

    The latest day of publication comes first (in params.timezone); within a day the formats that the channel
    shows best, in the order of ``affinity.channel_formats``, then the latest.
    """
    formats = affinity_values().channel_formats.get(channel, ())
    zone = general().zone

    def order(item: Item) -> tuple[int, int, int, str]:
        time = item.published_at or 0
        day = datetime.fromtimestamp(time // 1_000_000, zone).toordinal()
        return -day, formats.index(item.format) if item.format in formats else len(formats), -time, item.content_id

    return sorted(items, key=order)


class Gate:
    """The same filters for one person over a whole catalogue: what bars everybody is kept until it changes.

    Parameters
    ----------
    items
        The catalogue, in the order of the answers.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        never, always = np.iinfo(np.int64).max, np.iinfo(np.int64).min

        def instant(name: str, absent: int) -> np.ndarray:
            found = (getattr(item, name) for item in items)
            return np.array([absent if each is None else each for each in found], dtype=np.int64)

        self._published = instant("published_at", never)
        self._expires = instant("expires_at", always)
        self._edges = np.unique(np.concatenate([self._published, self._expires]))
        self._reviewed = np.array([reviewed(item) for item in items], dtype=bool)
        self._worded = np.array([not worded_badly(item) for item in items], dtype=bool)
        ages = np.array([item.min_age or 0.0 for item in items], dtype=float)
        aged = np.flatnonzero(ages != 0)
        self._aged = aged[np.argsort(ages[aged], kind="stable")]
        self._ages = ages[self._aged]
        self._sensitive = np.flatnonzero([sensitive(item) for item in items])
        barred: dict[str, list[int]] = {}
        for place, item in enumerate(items):
            for name in item.contraindications:
                barred.setdefault(name, []).append(place)
        self._barred = {name: np.array(places, dtype=np.int64) for name, places in barred.items()}
        self._kept: tuple[int, _Span] | None = None

    def verdict(self, reader: Reader, at: int) -> np.ndarray:
        """Return (items,) -1 where the person may see an item, else the place of the reason in REASONS."""
        span = self._span(at)
        found = span.unfit.copy()
        if not reader.sensitive_consent:
            found[span.sensitive] = REASONS.index("sensitive")
        for name, places in span.barred.items():
            if reader.has(name):
                found[places] = REASONS.index("contraindicated")
        age = -np.inf if reader.age is None or np.isnan(reader.age) else reader.age
        old_enough = int(np.searchsorted(span.ages, age, side="right"))
        found[span.aged[old_enough:]] = REASONS.index("age")
        return found

    def _span(self, at: int) -> _Span:
        """Return what holds for everybody; between two edges it stays the same."""
        number = int(np.searchsorted(self._edges, at, side="right"))
        if self._kept is not None and self._kept[0] == number:
            return self._kept[1]
        holds: dict[Reason, np.ndarray] = {
            "not_published": self._published > at,
            "not_reviewed": ~self._reviewed,
            "expired": self._expires <= at,
            "wording": ~self._worded,
        }
        unfit = np.full(len(self._published), -1, dtype=np.int8)
        for reason, where in reversed(holds.items()):
            unfit[where] = REASONS.index(reason)
        fit = unfit < 0
        barred = {name: places[fit[places]] for name, places in self._barred.items()}
        aged = fit[self._aged]
        span = _Span(unfit, self._sensitive[fit[self._sensitive]], barred, self._aged[aged], self._ages[aged])
        self._kept = number, span
        return span


@dataclass(frozen=True)
class _Span:
    """A catalogue while nothing of it is published or expires.

    Parameters
    ----------
    unfit
        (items,) the reason that holds for everybody, -1 where there is none.
    sensitive, barred, aged
        Places of the others, barred ones by contraindication; ``aged`` rise by their least age, ``ages``.
    """

    unfit: np.ndarray
    sensitive: np.ndarray
    barred: Mapping[str, np.ndarray]
    aged: np.ndarray
    ages: np.ndarray


@functools.cache
def _askable() -> frozenset[str]:
    """Names that a record answers: a patient without them does not have them, as far as anyone knows."""
    return frozenset(each.name for each in all_codelists() if each.kind in ("diagnosis", "medicine"))


@functools.cache
def _lists(code: str) -> tuple[Codelist, ...]:
    """Return the codelists that a code of ICD-10 or ATC belongs to."""
    return tuple(each for each in all_codelists() if _listed(each, code))


def _listed(codes: Codelist, code: str) -> bool:
    return any(codes.matches(system, code) for system in _COMPARED)


@functools.lru_cache(100_000)
def _delicate(topics: frozenset[str], words: tuple[str, ...]) -> bool:
    return any(word in topic.casefold() for topic in topics for word in words)


@functools.lru_cache(100_000)
def _claiming(title: str, forbidden: tuple[str, ...]) -> bool:
    read = _read(title)
    return not read or bool(re.search("|".join(f"(?:{each})" for each in forbidden), read))


def _read(title: str) -> str:
    """Return a title as the forbidden words are sought in it: letters and digits alone, of one width and script."""
    plain = unicodedata.normalize("NFKC", title).translate(_VARIANTS)
    return re.sub(r"第1(?!\d)", "第一", re.sub(r"[\W_]+", "", plain))
