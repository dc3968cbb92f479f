"""The key store: one wrapped data key per patient, in a small SQLite file of its own.

It is never in PostgreSQL nor in its back-ups. ``secure_delete`` overwrites what is deleted and the
write-ahead log is truncated after every destruction, so that a destroyed key is in no file. A
patient's random reference stands here too: once the row is gone nothing ties entries to a person.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from features.instants import DAY
from serving.keys import KeyFile, KeyProvider, KeyUnavailable, folder
from serving.suite import CURRENT, suite

HOUSE = "house"
"""The reference whose key seals what concerns no patient."""
_MOST = 50_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    reference TEXT PRIMARY KEY, patient_id TEXT UNIQUE, suite TEXT NOT NULL, kek TEXT NOT NULL,
    wrapped BLOB NOT NULL, made_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tombstones (
    patient_id TEXT PRIMARY KEY, reference TEXT NOT NULL UNIQUE, sealed_at INTEGER NOT NULL, until INTEGER,
    classes TEXT NOT NULL, destroyed_at INTEGER) WITHOUT ROWID;
"""


def passing(day: int) -> str:
    """Return the reference whose key seals the answers kept on a day, counted from 1970."""
    return f"answers-{day}"


@dataclass(frozen=True)
class Tombstone:
    """What is kept of an erased patient.

    Attributes
    ----------
    reference
        Stands for the patient in entries made from the sealing on; the reference of the earlier
        entries goes with the key.
    until
        When the last retention class ends and the key is destroyed, UTC microseconds; None: it is.
    classes
        Names of the retention classes that apply.
    """

    patient_id: str
    reference: str
    sealed_at: int
    until: int | None
    classes: tuple[str, ...]
    destroyed_at: int | None = None


class KeyStore:
    """Wrapped data keys and tombstones, safe to share between threads.

    Parameters
    ----------
    file
        The SQLite file; made where there is none, with a fresh key file in ``provider``'s place.
    provider
        What wraps; by default the key file that the store names.

    Raises
    ------
    KeyUnavailable
        While the provider cannot be used.
    """

    def __init__(self, file: Path, provider: KeyProvider | None = None) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self.file, self._lock = file, threading.RLock()
        self._db = sqlite3.connect(file, isolation_level=None, timeout=10, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        self.provider = provider or self._own()
        self._ciphers: dict[str, AESGCM] = {}
        self._references: dict[str, str] = {}
        self._staged: list[tuple[str, str | None]] = []
        self._version = self._read_version()

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _own(self) -> KeyFile:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            found = self._db.execute("SELECT value FROM about WHERE name = 'store'").fetchone()
            name = found[0] if found else secrets.token_hex(8)
            provider = KeyFile(folder() / f"{name}.key")
            try:
                if found is None:
                    provider.create()
                    self._db.execute("INSERT INTO about VALUES ('store', ?)", (name,))
            except (OSError, KeyUnavailable):
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        return provider

    def refresh(self) -> None:
        """Forget what is held in memory if another process changed the store."""
        with self._lock:
            version = self._read_version()
            if version != self._version or len(self._ciphers) > _MOST:
                self._version = version
                self._ciphers.clear()
                self._references.clear()

    def reference(self, patient_id: str) -> str | None:
        """Return the reference of a patient, or None where there is no key."""
        with self._lock:
            if patient_id not in self._references:
                found = self._db.execute("SELECT reference FROM keys WHERE patient_id = ?", (patient_id,)).fetchone()
                if found is None:
                    return None
                self._references[patient_id] = found[0]
            return self._references[patient_id]

    def stage(self, patient_id: str | None, reference: str = "") -> str:
        """Make a key ready for a patient (for the house: None) and return its reference; `flush` makes it durable."""
        with self._lock:
            reference = reference or secrets.token_hex(16)
            key = CURRENT.new_key()
            kek, wrapped = self.provider.wrap(key, _context(reference))
            self._staged.append((reference, patient_id))
            if len(self._staged) == 1:
                self._db.execute("BEGIN IMMEDIATE")
            row = (reference, patient_id, CURRENT.name, kek, wrapped, time.time_ns() // 1000)
            self._db.execute("INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)", row)
            self._ciphers[reference] = CURRENT.cipher(key)
            if patient_id is not None:
                self._references[patient_id] = reference
            return reference

    def flush(self) -> None:
        """Make staged keys durable."""
        with self._lock:
            if self._staged:
                self._staged.clear()
                self._db.execute("COMMIT")

    def drop(self) -> None:
        """Forget staged keys."""
        with self._lock:
            for reference, patient_id in self._staged:
                self._ciphers.pop(reference, None)
                self._references.pop(patient_id or "", None)
            if self._staged:
                self._staged.clear()
                self._db.execute("ROLLBACK")

    def cipher(self, reference: str) -> AESGCM | None:
        """Return a reference's key made ready, or None where it was destroyed."""
        with self._lock:
            found = self._ciphers.get(reference)
            if found is None:
                row = self._db.execute(
                    "SELECT suite, kek, wrapped FROM keys WHERE reference = ?", (reference,)
                ).fetchone()
                if row is None:
                    return None
                key = self.provider.unwrap(row[1], row[2], _context(reference))
                found = self._ciphers[reference] = suite(row[0]).cipher(key)
            return found

    def house(self) -> AESGCM:
        """Return the key of what concerns no patient; made where there is none, durable with the next `flush`."""
        found = self.cipher(HOUSE)
        if found is None:
            self.stage(None, HOUSE)
            found = self.cipher(HOUSE)
        assert found is not None
        return found

    def passing(self, day: int, since: int) -> AESGCM:
        """Return the key of answers kept on a day; keys of days that ended before ``since`` (UTC microseconds) go."""
        reference = passing(day)
        found = self.cipher(reference)
        if found is None:
            self.stage(None, reference)
            found = self.cipher(reference)
            old = ("answers-*", reference, since - DAY)
            self._db.execute("DELETE FROM keys WHERE reference GLOB ? AND reference <> ? AND made_at < ?", old)
        assert found is not None
        return found

    def rewrap(self) -> tuple[str, int]:
        """Wrap every key under a fresh key-encryption key, forget the older ones; no payload changes.

        Returns
        -------
        tuple
            Name of the new key-encryption key and how many data keys it wraps.
        """
        with self._lock:
            self.provider.rotate()
            name = ""
            self._db.execute("BEGIN IMMEDIATE")
            rows = self._db.execute("SELECT reference, kek, wrapped FROM keys").fetchall()
            for reference, kek, wrapped in rows:
                key = self.provider.unwrap(kek, wrapped, _context(reference))
                name, again = self.provider.wrap(key, _context(reference))
                self._db.execute("UPDATE keys SET kek = ?, wrapped = ? WHERE reference = ?", (name, again, reference))
            self._db.execute("COMMIT")
            self._truncate()
            if name:
                self.provider.retire(name)
            return name, len(rows)

    def bury(self, tombstone: Tombstone) -> None:
        """Keep a tombstone; where its key need not stand, destroy the key with it."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            if tombstone.destroyed_at is not None:
                self._db.execute("DELETE FROM keys WHERE patient_id = ?", (tombstone.patient_id,))
            row = (
                tombstone.patient_id,
                tombstone.reference,
                tombstone.sealed_at,
                tombstone.until,
                ",".join(tombstone.classes),
                tombstone.destroyed_at,
            )
            self._db.execute("INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?, ?, ?)", row)
            self._db.execute("COMMIT")
            self._ciphers.clear()
            self._references.clear()
            self._truncate()

    def patient(self, reference: str) -> str | None:
        """Return the patient whom a reference stands for, or None."""
        with self._lock:
            for table in ("keys", "tombstones"):
                found = self._db.execute(f"SELECT patient_id FROM {table} WHERE reference = ?", (reference,)).fetchone()
                if found is not None:
                    return str(found[0]) if found[0] is not None else None
        return None

    def tombstone(self, patient_id: str) -> Tombstone | None:
        """Return a patient's tombstone, or None."""
        with self._lock:
            row = self._db.execute("SELECT * FROM tombstones WHERE patient_id = ?", (patient_id,)).fetchone()
        return _tombstone(row) if row else None

    def tombstones(self) -> Iterator[Tombstone]:
        """Yield every tombstone."""
        with self._lock:
            rows = self._db.execute("SELECT * FROM tombstones ORDER BY sealed_at, patient_id").fetchall()
        return map(_tombstone, rows)

    def _truncate(self) -> None:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _read_version(self) -> int:
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])


def _context(reference: str) -> bytes:
    return f"carepath-key|{CURRENT.name}|{reference}".encode()


def _tombstone(row: tuple[str, str, int, int | None, str, int | None]) -> Tombstone:
    patient_id, reference, sealed_at, until, classes, destroyed_at = row
    return Tombstone(patient_id, reference, sealed_at, until, tuple(filter(None, classes.split(","))), destroyed_at)
