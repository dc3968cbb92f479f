"""Surrogates for one ingest: its ids and persons are learnt, and what stands for them takes their place in its rows."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.identity.person import Person
from features.identity.vault import Vault

if TYPE_CHECKING:
    from features.identity.match import Near


class Surrogates:
    """What stands for the ids of one system.

    Parameters
    ----------
    vault
        The identity map.
    system
        Whose ids the rows bear.
    review
        CSV of what nearly agrees and a person must look at; for its owner alone.
    """

    def __init__(self, vault: Vault, system: str, review: Path) -> None:
        self.vault, self.system, self.review = vault, system, review
        self._of: dict[str, str] = {}
        self._marks = vault.marks()
        self._near: list[Near] = []

    def learn(self, persons: Iterable[Person], ids: Iterable[str]) -> None:
        """Match persons with everybody known; an id of which nothing else is said is a person of its own."""
        every = {each.value: each for each in persons}
        fresh = sorted(own for own in {*every, *ids} - self._of.keys() if not self.erased(own))
        if not fresh:
            return
        learnt = self.vault.learn([every.get(each) or Person(self.system, each.strip()) for each in fresh])
        self._near += learnt.matched.near
        write_review(self.review, dict.fromkeys(self._near))
        self._of |= {each: self.vault.resolve(self.system, each).patient_id or "" for each in fresh}

    @property
    def told(self) -> str:
        """What it came to, in one line."""
        return (
            f"identities: {len(self._of):,} ids of {self.system} are {len(set(self._of.values())):,} people; "
            f"to review: {len(set(self._near)):,} ({self.review})"
        )

    def erased(self, own: str) -> bool:
        """Say whether an id is that of a person who was erased."""
        return bool(self._marks) and self.vault.mark(self.system, own) in self._marks

    def of(self, patient: str) -> str:
        """Return the surrogate of an id that was learnt."""
        return self._of[patient]

    def first(self, contacts: Mapping[str, int]) -> dict[str, int]:
        """Return first contacts by id, from those by surrogate."""
        return {own: contacts[surrogate] for own, surrogate in self._of.items() if surrogate in contacts}

    def rename(self, columns: dict[str, np.ndarray]) -> None:
        """Put surrogates in place of the ids of some rows, in ``patient_id`` and where an event's name holds one."""
        own = columns["patient_id"]
        columns["_own"] = own
        columns["patient_id"] = np.array([None if each is None else self._of[each] for each in own], object)
        columns["event_id"] = renamed(columns["event_id"], own, self.token)

    def token(self, own: str) -> str:
        """Return what stands for an id in an event's name: the same each time, and told by nobody without the key."""
        return hashlib.sha256(self.vault.token(self.system, own)).hexdigest()[:16]


def renamed(events: np.ndarray, own: np.ndarray, token: Callable[[str], str]) -> np.ndarray:
    """Return event_ids in which no part between slashes is the patient's own id: ``Patient/123`` would tell it."""
    found = events.copy()
    for row in np.flatnonzero([bool(event) and bool(who) and who in event for event, who in zip(events, own)]):
        parts = events[row].split("/")
        found[row] = "/".join(token(own[row]) if part == own[row] else part for part in parts)
    return found


def write_review(file: Path, near: Iterable[Near]) -> None:
    """Write what a person must look at: systems and ids alone, for the owner's eyes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("why", "system", "value", "other_system", "other_value"))
        for each in near:
            other = each.other.key if each.other else ("", "")
            writer.writerow((each.why, *map(_plain, (*each.one.key, *other))))


def _plain(cell: str) -> str:
    """Keep a spreadsheet from reading a cell as a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
