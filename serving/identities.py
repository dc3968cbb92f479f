"""The identity map as the service asks it: opened when first needed, and merges told to callers once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InputError
from features.identity.keyfile import IdentityKeyFile
from features.identity.vault import Resolved, Vault
from serving.changes import announce
from serving.problem import Problem

if TYPE_CHECKING:
    from serving.desk import Desk

NAME = "identities.db"


def forget(home: Path, patient_ids: Iterable[str]) -> int:
    """Delete every id of a hospital's own that leads to these patients; return how many there were.

    Raises
    ------
    InputError
        There is a map and its key cannot be used.
    """
    file, wanted = home / NAME, tuple(patient_ids)
    if not wanted or not file.is_file():
        return 0
    vault = Vault(file, IdentityKeyFile())
    try:
        return vault.forget(*wanted)
    finally:
        vault.close()


class Identities:
    """The map in a state folder; without one no id stands for anybody.

    Raises
    ------
    Problem
        503 from every method while the map or its key cannot be used.
    """

    def __init__(self, home: Path) -> None:
        self._file = home / NAME
        self._opened: tuple[int, Vault] | None = None

    def resolve(self, system: str, value: str) -> Resolved:
        """Return what one system's id stands for."""
        vault = self._vault()
        return vault.resolve(system, value) if vault is not None else Resolved(None)

    def tell(self, desk: Desk) -> None:
        """Append a change for each merge that callers have not been told of."""
        vault = self._vault()
        merges = vault.untold() if vault is not None else []
        if not merges or vault is None:
            return
        now = desk.clock.now()
        with desk.ledger.writing() as appender:
            for gone, into in merges:
                announce(appender, "patient.merged", now, patient_id=into, merged_from=gone)
        for gone, _ in merges:
            vault.tell(gone)

    def _vault(self) -> Vault | None:
        if not self._file.is_file():
            return None
        inode = self._file.stat().st_ino
        if self._opened is None or self._opened[0] != inode:
            try:
                self._opened = inode, Vault(self._file, IdentityKeyFile())
            except (InputError, OSError, sqlite3.Error):
                message = "the identity map cannot be opened; its key file may be missing or readable by others"
                raise Problem(503, message, code="identities_unavailable") from None
        return self._opened[1]
