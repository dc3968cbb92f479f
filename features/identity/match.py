"""Who is the same person: a match by rule, and a list of what a person must look at."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from features.identity.person import Person

Why = Literal["name_differs", "identity_number_differs", "identity_number_invalid", "ambiguous"]


@dataclass(frozen=True)
class Near:
    """Two entries that may be one person, or one entry that cannot be trusted; and why."""

    why: Why
    one: Person
    other: Person | None = None


@dataclass(frozen=True)
class Matched:
    """Entries by person, in the order of their first, and what is left for review."""

    people: tuple[tuple[Person, ...], ...]
    near: tuple[Near, ...]


def match(persons: Iterable[Person]) -> Matched:
    """Match entries of several systems.

    Two entries are one person where two of name, identity number and phone agree, the name among
    them, and the identity numbers do not differ. An entry without a number joins by name and phone
    only where that leads to one person. Everything that nearly agrees is for review, never merged:
    one number under two names, one name and phone under two numbers, a number that cannot be right.

    Notes
    -----
    Same system and id: same person, whatever else it says; two versions of one entry. A mistyped
    resident's number needs no search by likeness: its check digit finds every single wrong digit and
    every exchange of neighbours.
    """
    every = list(persons)
    groups = _Groups(len(every))
    by_key: dict[tuple[str, str], int] = {}
    by_number: dict[str, list[int]] = defaultdict(list)
    by_phone: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, person in enumerate(every):
        groups.join(by_key.setdefault(person.key, place), place)
        if person.number:
            by_number[person.number].append(place)
        if person.name and person.phone:
            by_phone[person.name, person.phone].append(place)
    near: list[Near] = []
    for person in (each for each in every if each.wrong):
        same = [every[at] for at in by_phone[person.name, person.phone] if not every[at].wrong]
        near.append(Near("identity_number_invalid", person, same[0] if same else None))
    for places in by_number.values():
        names: dict[str, int] = {}
        for at in places:
            first = names.setdefault(every[at].name, at)
            if every[at].name:
                groups.join(first, at)
        near += [Near("name_differs", every[one], every[other]) for one, other in _neighbours(names)]
    for places in by_phone.values():
        places = [at for at in places if not every[at].wrong]
        numbers = {every[at].number: at for at in reversed(places) if every[at].number}
        near += [Near("identity_number_differs", every[one], every[other]) for one, other in _neighbours(numbers)]
        without = [at for at in places if not every[at].number]
        if len(numbers) > 1:
            near += [Near("ambiguous", every[at]) for at in without]
            continue
        for at in without:
            groups.join(next(iter(numbers.values()), without[0]), at)
    return Matched(tuple(tuple(every[at] for at in each) for each in groups.listed()), tuple(near))


def _neighbours(by_word: dict[str, int]) -> list[tuple[int, int]]:
    places = sorted(by_word.values())
    return list(itertools.pairwise(places))


class _Groups:
    """Disjoint sets of places."""

    def __init__(self, size: int) -> None:
        self._above = list(range(size))

    def join(self, one: int, other: int) -> None:
        one, other = self._top(one), self._top(other)
        self._above[max(one, other)] = min(one, other)

    def listed(self) -> list[list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for place in range(len(self._above)):
            found[self._top(place)].append(place)
        return list(found.values())

    def _top(self, place: int) -> int:
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place
