"""The ledger's database: SQLite in the state folder, or PostgreSQL by URL, behind the same few statements.

Statements are written once, with ``?`` for parameters and ``ON CONFLICT`` for what may be there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from features.errors import InputError

Row = tuple[Any, ...]
_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
    seq {number} PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE, subject TEXT, at BIGINT NOT NULL,
    task TEXT, outcome TEXT, department TEXT, header {bytes} NOT NULL, payload {bytes} NOT NULL,
    previous TEXT NOT NULL, hash TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS entries_of_kind ON entries (kind, seq);
CREATE INDEX IF NOT EXISTS entries_of_subject ON entries (subject, seq) WHERE subject IS NOT NULL;
CREATE TABLE IF NOT EXISTS answers (
    principal TEXT, key TEXT, digest TEXT NOT NULL, body {bytes} NOT NULL, at BIGINT NOT NULL,
    PRIMARY KEY (principal, key));
CREATE TABLE IF NOT EXISTS epochs (patient_id TEXT PRIMARY KEY, epoch BIGINT NOT NULL);
CREATE TABLE IF NOT EXISTS met (
    principal TEXT, span BIGINT, slot BIGINT, subject TEXT, PRIMARY KEY (principal, span, slot, subject));
CREATE TABLE IF NOT EXISTS counts (
    principal TEXT, what TEXT, slot BIGINT, n BIGINT NOT NULL, PRIMARY KEY (principal, what, slot));
CREATE TABLE IF NOT EXISTS frozen (principal TEXT PRIMARY KEY, at BIGINT NOT NULL, why TEXT NOT NULL);
"""
_SQLITE_GUARD = """
CREATE TRIGGER IF NOT EXISTS entries_stand BEFORE UPDATE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS entries_stay BEFORE DELETE ON entries
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
"""
_POSTGRES_GUARD = """
CREATE OR REPLACE FUNCTION entries_stand() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
CREATE OR REPLACE TRIGGER entries_stand BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
    FOR EACH STATEMENT EXECUTE FUNCTION entries_stand();
"""
_ORDER = 0x63617265
"""The advisory lock that holds the order of appends."""


class Busy(Exception):
    """Another appends, and whoever asked does not wait."""


class Book(Protocol):
    """One connection. ``failures`` are the exceptions that mean the database cannot be used now."""

    failures: tuple[type[Exception], ...]

    def begin(self, wait: bool = True) -> None:
        """Open a transaction that no other appender shares; reconnect where the connection was lost.

        Raises
        ------
        Busy
            Another is open, and this one does not ``wait``.
        """

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]: ...

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""

    def many(self, statement: str, parameters: Sequence[Row]) -> int:
        """Run a statement for many rows and return how many rows it changed."""

    def close(self) -> None: ...


class SqliteBook:
    """A ledger in one SQLite file. A file that was moved away is not written to; one put back is opened again."""

    failures: tuple[type[Exception], ...] = (sqlite3.Error, OSError)

    def __init__(self, file: Path, patience_s: float) -> None:
        self._file, self._patience_s = file, patience_s
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
        self._connect()
        columns = {row[1] for row in self._db.execute("PRAGMA table_info(entries)")}
        if columns and "subject" not in columns:
            self._db.close()
            raise InputError("is the ledger of an earlier version", where=file.name, remedy="move it away")
        self._db.executescript(_TABLES.format(number="INTEGER", bytes="BLOB") + _SQLITE_GUARD)

    def _connect(self) -> None:
        self._opened = self._file.stat().st_ino
        self._db = sqlite3.connect(
            f"{self._file.resolve().as_uri()}?mode=rw",
            uri=True,
            isolation_level=None,
            timeout=self._patience_s,
            check_same_thread=False,
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA secure_delete=ON")

    def _present(self) -> None:
        if self._file.stat().st_ino != self._opened:
            self._db.close()
            self._connect()

    def begin(self, wait: bool = True) -> None:
        self._present()
        if wait:
            self._db.execute("BEGIN IMMEDIATE")
            return
        self._db.execute("PRAGMA busy_timeout = 0")
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the rest says why it is busy
                raise
            raise Busy from fault
        finally:
            self._db.execute(f"PRAGMA busy_timeout = {int(self._patience_s * 1000)}")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        if not self._db.in_transaction:
            self._present()
        return self._db.execute(statement, parameters).fetchall()

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        return self._db.execute(statement, parameters).rowcount

    def many(self, statement: str, parameters: Sequence[Row]) -> int:
        return self._db.executemany(statement, parameters).rowcount

    def close(self) -> None:
        self._db.close()


class PostgresBook:
    """A ledger in PostgreSQL; an advisory lock of the transaction lets one append at a time."""

    failures: tuple[type[Exception], ...]

    def __init__(self, url: str, patience_s: float) -> None:
        import psycopg

        self.failures = (psycopg.Error, OSError)
        self._url, self._patience_s, self._inside = url, patience_s, False
        self._connect()
        with self._db.transaction():
            self._db.execute("SELECT pg_advisory_xact_lock(%s)", (_ORDER,))
            if not self._db.execute("SELECT to_regclass('entries')").fetchone()[0]:  # type: ignore[index]
                self._db.execute(_TABLES.format(number="BIGINT", bytes="BYTEA").encode())
                self._db.execute(_POSTGRES_GUARD.encode())

    def _connect(self) -> None:
        import psycopg

        self._db = psycopg.connect(self._url, autocommit=True, connect_timeout=5)
        self._db.execute(f"SET lock_timeout = {int(self._patience_s * 1000)}".encode())
        self._db.execute("SET synchronous_commit = on")

    def _outside(self, statement: bytes, parameters: Sequence[Any] = ()) -> Any:
        """Run a statement that stands outside a transaction, once more where the connection proves lost."""
        import psycopg

        if not self._db.closed:
            try:
                return self._db.execute(statement, parameters)
            except psycopg.OperationalError:
                if not self._db.closed:
                    raise
        self._connect()
        return self._db.execute(statement, parameters)

    def begin(self, wait: bool = True) -> None:
        self._outside(b"BEGIN")
        self._inside = True
        if wait:
            self._db.execute("SELECT pg_advisory_xact_lock(%s)", (_ORDER,))
        elif not self._db.execute("SELECT pg_try_advisory_xact_lock(%s)", (_ORDER,)).fetchone()[0]:  # type: ignore[index]
            raise Busy

    def commit(self) -> None:
        self._db.execute("COMMIT")
        self._inside = False

    def rollback(self) -> None:
        self._inside = False
        if not self._db.closed:
            self._db.rollback()

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        run = self._db.execute if self._inside else self._outside
        found: list[Row] = run(_marked(statement), parameters).fetchall()
        return found

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        return self._db.execute(_marked(statement), parameters).rowcount

    def many(self, statement: str, parameters: Sequence[Row]) -> int:
        with self._db.cursor() as cursor:
            cursor.executemany(_marked(statement), parameters)
            return cursor.rowcount

    def close(self) -> None:
        self._db.close()


def _marked(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


def book(file: Path, url: str | None, patience_s: float) -> Book:
    """Return a connection to PostgreSQL where a URL is given, else to the file."""
    return PostgresBook(url, patience_s) if url else SqliteBook(file, patience_s)
