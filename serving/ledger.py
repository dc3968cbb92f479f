"""The ledger: every decision, durable and chained before its answer leaves.

One SQLite table that only grows. An entry is a header (no personal data) and a payload; its hash is
``SHA-256(domain, seq, previous hash, SHA-256(header), SHA-256(payload))`` over the bytes as stored,
so any edit, insertion, deletion or exchange breaks the chain. What a chain alone cannot show is
that its end was cut off: a caller's receipts (seq, hash) do.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

DOMAIN = b"carepath-ledger-1"
FIRST = "0" * 64
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE,
    header BLOB NOT NULL, payload BLOB NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TRIGGER IF NOT EXISTS entries_stand BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TABLE IF NOT EXISTS subjects (patient_id TEXT PRIMARY KEY, reference TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS answers (
    principal TEXT, key TEXT, digest TEXT NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (principal, key));
"""


class LedgerUnavailable(Exception):
    """Nothing can be recorded now; so nothing is answered."""


@dataclass(frozen=True)
class Receipt:
    """Where an entry stands: its number and its hash."""

    seq: int
    hash: str

    def as_dict(self) -> dict[str, object]:
        return {"seq": self.seq, "hash": self.hash}


@dataclass(frozen=True)
class Entry:
    """One entry as it was recorded."""

    seq: int
    kind: str
    id: str
    header: dict[str, Any]
    payload: dict[str, Any]
    receipt: Receipt


@dataclass(frozen=True)
class Verdict:
    """What a walk over the whole chain found."""

    entries: int
    head: str
    faults: tuple[str, ...]


class Ledger:
    """An append-only ledger in one SQLite file, for one thread of one process at a time.

    Several processes may hold it open: ``BEGIN IMMEDIATE`` lets one append at a time, the others
    wait up to ``patience_s``.
    """

    def __init__(self, path: Path, patience_s: float = 10.0) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=patience_s, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Appender]:
        """Open one transaction; everything appended in it is durable when the block ends, or not at all.

        Raises
        ------
        LedgerUnavailable
            The database is locked, full, or gone.
        """
        try:
            self._db.execute("BEGIN IMMEDIATE")
            last = self._db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
            yield Appender(self._db, *(last or (0, FIRST)))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._rollback()
            raise LedgerUnavailable(type(error).__name__) from error
        except BaseException:
            self._rollback()
            raise

    def _rollback(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")

    def entry(self, kind: str, entry_id: str) -> Entry | None:
        """Return the entry of that kind and id, or None."""
        found = self._db.execute(
            "SELECT seq, kind, id, header, payload, hash FROM entries WHERE id = ? AND kind = ?", (entry_id, kind)
        ).fetchone()
        return _entry(found) if found else None

    def entries(self, kind: str) -> Iterator[Entry]:
        """Yield the entries of one kind, oldest first."""
        rows = self._db.execute(
            "SELECT seq, kind, id, header, payload, hash FROM entries WHERE kind = ? ORDER BY seq", (kind,)
        )
        return map(_entry, rows)

    def latest(self, kind: str, most: int) -> list[Entry]:
        """Return the last entries of one kind, newest first."""
        rows = self._db.execute(
            "SELECT seq, kind, id, header, payload, hash FROM entries WHERE kind = ? ORDER BY seq DESC LIMIT ?",
            (kind, most),
        )
        return [_entry(row) for row in rows]

    def kept(self, principal: str, key: str, since: int) -> tuple[str, bytes] | None:
        """Return (digest of the request, answer) kept under an idempotency key since an instant."""
        found: tuple[str, bytes] | None = self._db.execute(
            "SELECT digest, body FROM answers WHERE principal = ? AND key = ? AND at >= ?", (principal, key, since)
        ).fetchone()
        return found

    def head(self) -> Receipt:
        """Return the last entry's receipt; of an empty ledger: number 0."""
        last = self._db.execute("SELECT seq, hash FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
        return Receipt(*(last or (0, FIRST)))

    def verify(self) -> Verdict:
        """Walk the chain from its first entry and name every entry that does not fit."""
        faults: list[str] = []
        expected, previous = 1, FIRST
        rows = self._db.execute(
            "SELECT seq, kind, id, CAST(header AS BLOB), CAST(payload AS BLOB), previous, hash "
            "FROM entries ORDER BY seq"
        )
        for seq, kind, entry_id, header, payload, said, stored in rows:
            if seq != expected:
                faults.append(f"entry {expected}: missing")
            if said != previous:
                faults.append(f"entry {seq}: does not follow the entry before it")
            if stored != _hash(seq, said, kind, entry_id, header, payload):
                faults.append(f"entry {seq}: was changed")
            expected, previous = seq + 1, stored
        return Verdict(expected - 1, previous, tuple(faults))


class Appender:
    """Appends within one transaction of a Ledger."""

    def __init__(self, db: sqlite3.Connection, seq: int, last: str) -> None:
        self._db, self._seq, self._last = db, seq, last

    def append(self, kind: str, entry_id: str, header: Mapping[str, Any], payload: Mapping[str, Any]) -> Receipt:
        """Append one entry and return its receipt (true once the transaction ends)."""
        head, body = canonical(header), canonical(payload)
        seq = self._seq + 1
        digest = _hash(seq, self._last, kind, entry_id, head, body)
        row = (seq, kind, entry_id, head, body, self._last, digest)
        self._db.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        self._seq, self._last = seq, digest
        return Receipt(seq, digest)

    def reference(self, patient_id: str) -> str:
        """Return the random reference that stands for a patient in headers."""
        self._db.execute("INSERT OR IGNORE INTO subjects VALUES (?, ?)", (patient_id, secrets.token_hex(16)))
        found = self._db.execute("SELECT reference FROM subjects WHERE patient_id = ?", (patient_id,)).fetchone()
        return str(found[0])

    def keep(self, principal: str, key: str, digest: str, body: bytes, at: int, since: int) -> None:
        """Keep an answer under an idempotency key; forget those from before ``since``."""
        self._db.execute("DELETE FROM answers WHERE at < ?", (since,))
        self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", (principal, key, digest, body, at))


def canonical(record: Mapping[str, Any]) -> bytes:
    """Return a record as JSON bytes with sorted keys; floats in their shortest exact form."""
    return orjson.dumps(record, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def _hash(seq: int, previous: str, kind: str, entry_id: str, header: bytes, payload: bytes) -> str:
    named = canonical({"kind": kind, "id": entry_id})
    parts = (DOMAIN, str(seq).encode(), previous.encode(), *(_sha(part) for part in (named, header, payload)))
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def _sha(part: bytes) -> bytes:
    return hashlib.sha256(part).hexdigest().encode()


def _entry(row: tuple[Any, ...]) -> Entry:
    seq, kind, entry_id, header, payload, digest = row
    return Entry(seq, kind, entry_id, orjson.loads(header), orjson.loads(payload), Receipt(seq, digest))
