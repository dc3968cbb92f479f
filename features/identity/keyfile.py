"""The key of the identity map: a file of mode 0600 outside the map's folder and the repository."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from features.errors import InputError

FOLDER = "CAREPATH_KEYS"
"""Names the folder of key files; else ``carepath`` in the user's configuration folder."""
NAME = "identities.key"
_BYTES = 32


class IdentityKeys(Protocol):
    """Gives the keys of the identity map, each for one use; the secret that they come from never leaves it."""

    def key(self, use: str, size: int) -> bytes: ...


class IdentityKeyFile:
    """Keys derived from one random secret in a file that its owner alone may read.

    Parameters
    ----------
    file
        The key file; by default ``identities.key`` where key files are kept.
    create
        Write a fresh one where there is none.

    Raises
    ------
    InputError
        It is missing, may be read by others, or does not hold 32 bytes.
    """

    def __init__(self, file: Path | None = None, create: bool = False) -> None:
        self.file = file or _folder() / NAME
        if create and not self.file.exists():
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(secrets.token_bytes(_BYTES))
                out.flush()
                os.fsync(out.fileno())
        where = f"identity key {self.file.name}"
        if not self.file.is_file():
            raise InputError("there is no such file", where=where, remedy="give --key, or match identities first")
        if stat.S_IMODE(self.file.stat().st_mode) & 0o077:
            raise InputError("others can read it", where=where, remedy=f"chmod 600 {self.file.name}")
        self._secret = self.file.read_bytes()
        if len(self._secret) != _BYTES:
            raise InputError("does not hold 32 bytes", where=where, remedy="restore it from its back-up")

    def key(self, use: str, size: int) -> bytes:
        """Return the key for a use, by HKDF-SHA256."""
        return HKDF(hashes.SHA256(), size, None, f"carepath-identities|{use}".encode()).derive(self._secret)


def _folder() -> Path:
    named = os.environ.get(FOLDER)
    return Path(named) if named else Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "carepath"
