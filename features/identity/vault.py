"""The map from a hospital's own ids to surrogates: encrypted, in one SQLite file apart from lake and store.

An entry is found by its id encrypted under AES-SIV (the same id gives the same bytes, and nobody
without the key can try ids), what is known of the person stands beside it under AES-256-GCM. A
surrogate is random and says nothing. Of an erased person a mark of each own id stays, HMAC-SHA256
under a key of its own: it leads to nobody, and the same export read again brings nobody back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

from features.errors import InputError
from features.identity.keyfile import IdentityKeys
from features.identity.match import Matched, match
from features.identity.person import Person

_SCHEMA = """
CREATE TABLE IF NOT EXISTS ids (token BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS merges (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, gone TEXT UNIQUE NOT NULL, into_id TEXT NOT NULL, told INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS erased (mark BLOB PRIMARY KEY) WITHOUT ROWID;
"""
_NONCE = 12


@dataclass(frozen=True)
class Resolved:
    """What an id stands for: a surrogate or None; ``merged_from`` the surrogate that it stood for before."""

    patient_id: str | None
    merged_from: str | None = None


@dataclass(frozen=True)
class Learnt:
    """What a round of matching came to."""

    entries: int
    people: int
    new: int
    merged: int
    matched: Matched


class Vault:
    """The identity map.

    Parameters
    ----------
    file
        Made where there is none, for its owner alone.
    keys
        What it is encrypted under.

    Raises
    ------
    InputError
        The key is not that of the map.
    """

    def __init__(self, file: Path, keys: IdentityKeys) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self._siv, self._gcm = AESSIV(keys.key("lookup", 64)), AESGCM(keys.key("record", 32))
        self._mark = keys.key("erased", 32)
        self._db = sqlite3.connect(file, isolation_level=None, timeout=30, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        one = self._db.execute("SELECT token, sealed FROM ids LIMIT 1").fetchone()
        if one is not None:
            self._opened(*one)

    def close(self) -> None:
        self._db.close()

    def learn(self, persons: Iterable[Person]) -> Learnt:
        """Match entries with one another and with those that are known, and keep who is who.

        A person gets a fresh random surrogate; where entries of several surrogates prove to be one
        person, the one learnt first stands and the others are merged into it. Doing it again
        changes nothing. Whoever was erased is not learnt.
        """
        known = {person.key: (person, surrogate) for person, surrogate in self._entries()}
        marks = self.marks()
        fresh = {person.key: person for person in persons if not marks or self.mark(*person.key) not in marks}
        merged = {key: _joined(known[key][0], person) if key in known else person for key, person in fresh.items()}
        every = {**{key: person for key, (person, _) in known.items()}, **merged}
        matched = match(every.values())
        into, new, gone = self.merges(), 0, 0
        self._db.execute("BEGIN IMMEDIATE")
        try:
            order, count = self._order(), int(self._db.execute("SELECT count(*) FROM ids").fetchone()[0])
            for people in matched.people:
                ids = {known[each.key][1] for each in people if each.key in known}
                held = sorted({into.get(each, each) for each in ids}, key=lambda each: order[each])
                surrogate = held[0] if held else secrets.token_hex(16)
                new += not held
                for other in held[1:]:
                    self._db.execute("UPDATE merges SET into_id = ? WHERE into_id = ?", (surrogate, other))
                    self._db.execute("INSERT INTO merges (gone, into_id, told) VALUES (?, ?, 0)", (other, surrogate))
                    gone += 1
                for person in people:
                    before = known.get(person.key)
                    if before is None or before[0] != person:
                        count += self._keep(person, surrogate if before is None else before[1], count)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        return Learnt(len(every), len(matched.people), new, gone, matched)

    def resolve(self, system: str, value: str) -> Resolved:
        """Return what one system's id stands for now."""
        token = self.token(system, value.strip())
        row = self._db.execute("SELECT sealed FROM ids WHERE token = ?", (token,)).fetchone()
        if row is None:
            return Resolved(None)
        held = self._opened(token, row[0])[1]
        into = self._db.execute("SELECT into_id FROM merges WHERE gone = ?", (held,)).fetchone()
        return Resolved(into[0], held) if into else Resolved(held)

    def untold(self) -> list[tuple[str, str]]:
        """Return the merges that callers were not told of yet: (gone, into), oldest first."""
        return self._db.execute("SELECT gone, into_id FROM merges WHERE told = 0 ORDER BY seq").fetchall()

    def tell(self, gone: str) -> None:
        """Note that callers were told of a merge."""
        self._db.execute("UPDATE merges SET told = 1 WHERE gone = ?", (gone,))

    def forget(self, *patient_ids: str) -> int:
        """Delete every id that leads to these surrogates, overwritten in the file; return how many there were.

        A mark of each stays, so that the next ingest leaves the person out.
        """
        wanted = set(patient_ids)
        wanted |= {gone for gone, into in self._db.execute("SELECT gone, into_id FROM merges") if into in wanted}
        own = [person.key for person, surrogate in self._entries() if surrogate in wanted]
        self._db.executemany("INSERT OR IGNORE INTO erased VALUES (?)", [(self.mark(*key),) for key in own])
        self._db.executemany("DELETE FROM ids WHERE token = ?", [(self.token(*key),) for key in own])
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return len(own)

    def readmit(self, system: str, value: str) -> bool:
        """Take the mark of an erased person's id away: the person asked to be a patient here again."""
        return self._db.execute("DELETE FROM erased WHERE mark = ?", (self.mark(system, value),)).rowcount > 0

    def marks(self) -> frozenset[bytes]:
        """Return the marks of the ids of erased persons."""
        return frozenset(mark for (mark,) in self._db.execute("SELECT mark FROM erased"))

    def mark(self, system: str, value: str) -> bytes:
        """Return what stays of an erased person's id: nobody reads it back, and nobody without the key can try ids."""
        return hmac.new(self._mark, f"{system}\n{value.strip()}".encode(), hashlib.sha256).digest()

    def _entries(self) -> Iterator[tuple[Person, str]]:
        for token, sealed in self._db.execute("SELECT token, sealed FROM ids").fetchall():
            yield self._opened(token, sealed)

    def _order(self) -> dict[str, tuple[int, str]]:
        """Return for each surrogate when it was learnt: the older stands."""
        order: dict[str, tuple[int, str]] = {}
        for token, sealed in self._db.execute("SELECT token, sealed FROM ids"):
            told = self._told(token, sealed)
            place = (told["learnt"], told["surrogate"])
            order[told["surrogate"]] = min(order.get(told["surrogate"], place), place)
        return order

    def _keep(self, person: Person, surrogate: str, count: int) -> bool:
        """Store an entry; a new one, which is said by the answer, bears how many there were before it."""
        token, nonce = self.token(person.system, person.value), secrets.token_bytes(_NONCE)
        row = self._db.execute("SELECT sealed FROM ids WHERE token = ?", (token,)).fetchone()
        learnt = self._told(token, row[0])["learnt"] if row else count
        told = json.dumps(asdict(person) | {"surrogate": surrogate, "learnt": learnt}, ensure_ascii=False)
        sealed = nonce + self._gcm.encrypt(nonce, told.encode(), token)
        self._db.execute(
            "INSERT INTO ids VALUES (?, ?) ON CONFLICT (token) DO UPDATE SET sealed = excluded.sealed", (token, sealed)
        )
        return row is None

    def merges(self) -> dict[str, str]:
        """Return surrogates that stand for nobody any more -> the one that stands for the person."""
        return dict(self._db.execute("SELECT gone, into_id FROM merges"))

    def token(self, system: str, value: str) -> bytes:
        """Return an id encrypted under AES-SIV: the same bytes each time, and nobody without the key can try ids."""
        return self._siv.encrypt(f"{system}\n{value}".encode(), None)

    def _opened(self, token: bytes, sealed: bytes) -> tuple[Person, str]:
        told = self._told(token, sealed)
        surrogate = told.pop("surrogate")
        del told["learnt"]
        return Person(**told), surrogate

    def _told(self, token: bytes, sealed: bytes) -> dict[str, Any]:
        try:
            plain = self._gcm.decrypt(sealed[:_NONCE], sealed[_NONCE:], token)
        except InvalidTag:
            raise InputError(
                "the key is not that of this map", where="identities", remedy="give its key file"
            ) from None
        found: dict[str, Any] = json.loads(plain)
        return found


def _joined(before: Person, now: Person) -> Person:
    """Return an entry that was seen again: what it says now, and what it no longer says."""
    return Person(
        now.system,
        now.value,
        now.name or before.name,
        now.number or before.number,
        now.phone or before.phone,
        now.wrong and not before.number,
    )
