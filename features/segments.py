"""The database of the event store: SQLite in one file, or PostgreSQL by URL, behind the same few statements.

Statements are written once, with ``?`` for parameters. One writer at a time holds the order of the
numbers, so that who has read up to a number has seen every lower one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

Row = tuple[Any, ...]
_TABLES = """
CREATE TABLE IF NOT EXISTS segments (
    seq {number}, patient_id TEXT NOT NULL, name TEXT NOT NULL, rows {bytes} NOT NULL
);
CREATE INDEX IF NOT EXISTS segments_of_patient ON segments (patient_id, name);
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BIGINT NOT NULL);
"""
_ORDER = 0x65766E74
"""The advisory lock that holds the order of appends."""
_URLS = ("postgresql://", "postgres://")


class Segments(Protocol):
    """One connection; several threads may use it, one after the other. ``near``: it is a file of this machine."""

    near: bool

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]: ...

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Run a statement and return how many rows it changed."""

    def many(self, statement: str, parameters: Sequence[Row]) -> None: ...

    def writing(self) -> Any:
        """Open a transaction that no other writer shares: all or nothing."""

    def emptied(self) -> None:
        """Let what was deleted leave the disk too, as far as the database can."""

    def close(self) -> None: ...


def segments(place: Path | str) -> Segments:
    """Open a file of SQLite, or the PostgreSQL that a URL names."""
    if isinstance(place, str) and place.startswith(_URLS):
        return PostgresSegments(place)
    return SqliteSegments(place)


class SqliteSegments:
    """Segments in one SQLite file; a deleted row is overwritten."""

    near = True

    def __init__(self, file: Path | str) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, timeout=30, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_TABLES.format(number="INTEGER PRIMARY KEY AUTOINCREMENT", bytes="BLOB"))

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(statement, parameters).fetchall()

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        return self._db.execute(statement, parameters).rowcount

    def many(self, statement: str, parameters: Sequence[Row]) -> None:
        self._db.executemany(statement, parameters)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def emptied(self) -> None:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self._db.close()


class PostgresSegments:
    """Segments in PostgreSQL; an advisory lock of the transaction lets one append at a time."""

    near = False

    def __init__(self, url: str) -> None:
        self._url, self._inside = url, False
        self._connect()
        with self.writing():
            self._db.execute(_TABLES.format(number="BIGSERIAL PRIMARY KEY", bytes="BYTEA").encode())

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        found: list[Row] = self._execute(statement, parameters).fetchall()
        return found

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        return int(self._execute(statement, parameters).rowcount)

    def many(self, statement: str, parameters: Sequence[Row]) -> None:
        with self._db.cursor() as cursor:
            cursor.executemany(_marked(statement), parameters)

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._execute("BEGIN")
        self._inside = True
        try:
            self._db.execute("SELECT pg_advisory_xact_lock(%s)", (_ORDER,))
            yield
        except BaseException:
            if not self._db.closed:
                self._db.rollback()
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._inside = False

    def emptied(self) -> None:
        self._db.execute("VACUUM segments")

    def close(self) -> None:
        self._db.close()

    def _connect(self) -> None:
        import psycopg

        self._db = psycopg.connect(self._url, autocommit=True, connect_timeout=5)

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """Run a statement; outside a transaction once more where the connection proves lost."""
        import psycopg

        if self._inside:
            return self._db.execute(_marked(statement), parameters)
        if not self._db.closed:
            try:
                return self._db.execute(_marked(statement), parameters)
            except psycopg.OperationalError:
                if not self._db.closed:
                    raise
        self._connect()
        return self._db.execute(_marked(statement), parameters)


def _marked(statement: str) -> bytes:
    return statement.replace("%", "%%").replace("?", "%s").encode()
