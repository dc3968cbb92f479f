"""The registry of a SQLite store on this machine, read and labelled without importing MLflow.

MLflow costs seconds to import; a step back in an emergency, and a look at what was in production,
need four of its rows. Wherever the store is another, or its tables are not those known here, the
caller asks MLflow.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

_PREFIX = "sqlite:///"
_OWN = "workspace = 'default' AND name = ?"


class Near:
    """The labels of one task's registered model.

    Raises
    ------
    sqlite3.Error
        From every method, where the tables are not those known here.
    """

    def __init__(self, file: Path, task: str) -> None:
        self._file, self._task = file, task

    @classmethod
    def of(cls, uri: str, task: str) -> Near | None:
        """Return them, or None where the store is not a SQLite file."""
        return cls(Path(uri.removeprefix(_PREFIX)), task) if uri.startswith(_PREFIX) else None

    def aliases(self) -> dict[str, str]:
        """Return alias -> version."""
        found = self._rows(f"SELECT alias, version FROM registered_model_aliases WHERE {_OWN}")
        return {alias: str(version) for alias, version in found}

    def tag(self, key: str) -> str | None:
        """Return a tag of the registered model, or None."""
        found = self._rows(f"SELECT value FROM registered_model_tags WHERE {_OWN} AND key = ?", key)
        return found[0][0] if found else None

    def digests(self) -> dict[str, str]:
        """Return version -> digest of its artefact."""
        found = self._rows(f"SELECT version, value FROM model_version_tags WHERE {_OWN} AND key = 'digest'")
        return {str(version): digest for version, digest in found}

    def name(self, alias: str, version: str, tag: str, gone: str) -> None:
        """Point an alias at a version and note it in a tag; take another alias away where it named that version."""
        with self._opened() as store, store:
            store.execute(
                "INSERT INTO registered_model_aliases (workspace, name, alias, version) VALUES ('default', ?, ?, ?) "
                "ON CONFLICT (workspace, name, alias) DO UPDATE SET version = excluded.version",
                (self._task, alias, int(version)),
            )
            store.execute(
                "INSERT INTO registered_model_tags (workspace, name, key, value) VALUES ('default', ?, ?, ?) "
                "ON CONFLICT (workspace, key, name) DO UPDATE SET value = excluded.value",
                (self._task, tag, version),
            )
            store.execute(
                f"DELETE FROM registered_model_aliases WHERE {_OWN} AND alias = ? AND version = ?",
                (self._task, gone, int(version)),
            )

    def _rows(self, asked: str, *more: str) -> list[tuple[Any, ...]]:
        """Return rows; none where nothing was ever registered, so that there is no file."""
        if not self._file.is_file():
            return []
        with self._opened() as store:
            return store.execute(asked, (self._task, *more)).fetchall()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=rw", uri=True, timeout=30)) as store:
            yield store
