"""Key-encryption keys: what wraps every patient's data key, and what signs the ledger's heads.

The ledger and the key store know a `KeyProvider` only. The default one is a file of mode 0600 that
lies outside the repository and outside the state folder, so that no copy of either holds it.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Any, Protocol

import orjson

from serving.suite import CURRENT, suite

FOLDER = "CAREPATH_KEYS"
"""Names the folder of key files; else ``carepath`` in the user's configuration folder."""


class KeyUnavailable(Exception):
    """The key file is gone, cannot be read, or may be read by others."""


class KeyProvider(Protocol):
    """Wraps and unwraps data keys, and signs; the key-encryption keys themselves never leave it."""

    def wrap(self, key: bytes, context: bytes) -> tuple[str, bytes]:
        """Return (name of the key-encryption key, wrapped key)."""

    def unwrap(self, name: str, wrapped: bytes, context: bytes) -> bytes:
        """Return a data key."""

    def rotate(self) -> str:
        """Make a new key-encryption key the current one and return its name; the older ones still unwrap."""

    def retire(self, keep: str) -> tuple[str, ...]:
        """Forget every key-encryption key but one; return the names of those forgotten."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""

    def public(self) -> bytes:
        """Return the raw public key that signatures are checked with."""

    def check(self) -> None:
        """Raise KeyUnavailable where it cannot be used now: asked at every commit."""


def folder() -> Path:
    """Return where key files are kept."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "carepath"


class KeyFile:
    """A KeyProvider in one JSON file.

    Parameters
    ----------
    file
        Read when first needed and again whenever it changed; its owner alone may read it.

    Raises
    ------
    KeyUnavailable
        From every method, while the file cannot be used.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen: tuple[int, ...] = ()
        self._held: dict[str, Any] = {}

    def create(self) -> None:
        """Write a fresh file; one that exists stays."""
        root = Path(__file__).resolve().parents[1]
        if root in self.file.resolve().parents:
            raise KeyUnavailable(f"the key file would lie in the repository; set {FOLDER} to a folder outside it")
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = _name()
        made = {
            "suite": CURRENT.name,
            "current": first,
            "keys": {first: CURRENT.new_key().hex()},
            "signing": secrets.token_hex(32),
        }
        fresh = self.file.with_name(f"{self.file.name}.{secrets.token_hex(4)}")
        _write(fresh, made)
        try:
            os.link(fresh, self.file)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()

    def wrap(self, key: bytes, context: bytes) -> tuple[str, bytes]:
        held = self._read()
        name = held["current"]
        return name, CURRENT.seal(CURRENT.cipher(bytes.fromhex(held["keys"][name])), key, context)

    def unwrap(self, name: str, wrapped: bytes, context: bytes) -> bytes:
        held = self._read()
        if name not in held["keys"]:
            raise KeyUnavailable("the key file does not hold the key-encryption key of this data key")
        found = CURRENT.open(CURRENT.cipher(bytes.fromhex(held["keys"][name])), wrapped, context)
        if found is None:
            raise KeyUnavailable("a data key does not unwrap")
        return found

    def rotate(self) -> str:
        held, name = dict(self._read()), _name()
        held |= {"current": name, "keys": {**held["keys"], name: CURRENT.new_key().hex()}}
        self._replace(held)
        return name

    def retire(self, keep: str) -> tuple[str, ...]:
        held = dict(self._read())
        gone = tuple(name for name in held["keys"] if name != keep)
        held["keys"] = {keep: held["keys"][keep]}
        self._replace(held)
        return gone

    def sign(self, message: bytes) -> bytes:
        held = self._read()
        return suite(held["suite"]).sign(bytes.fromhex(held["signing"]), message)

    def public(self) -> bytes:
        held = self._read()
        return suite(held["suite"]).public(bytes.fromhex(held["signing"]))

    def check(self) -> None:
        self._read()

    def _read(self) -> dict[str, Any]:
        try:
            found = self.file.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)
            if seen == self._seen:
                return self._held
            if stat.S_IMODE(found.st_mode) & 0o077:
                raise KeyUnavailable(f"others may read the key file; chmod 600 {self.file.name}")
            held = orjson.loads(self.file.read_bytes())
            suite(held["suite"])
            self._held, self._seen = held, seen
        except (OSError, ValueError, KeyError, TypeError) as fault:
            self._seen = ()
            raise KeyUnavailable(f"the key file cannot be read ({type(fault).__name__})") from None
        return self._held

    def _replace(self, held: dict[str, Any]) -> None:
        fresh = self.file.with_name(f"{self.file.name}.{secrets.token_hex(4)}")
        _write(fresh, held)
        fresh.replace(self.file)


def _write(file: Path, held: dict[str, Any]) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(orjson.dumps(held, option=orjson.OPT_INDENT_2))
        out.flush()
        os.fsync(out.fileno())


def _name() -> str:
    return secrets.token_hex(8)
