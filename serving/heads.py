"""Signed heads: where the ledger's chain stood at an instant, kept outside its database.

A chain cannot show that its end was cut off, nor that the whole of it was computed anew; a head
signed earlier does. The file holds one JSON object a line.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from features import instants
from serving.keys import KeyProvider
from serving.suite import CURRENT, suite

_DOMAIN = b"carepath-head-1\n"


@dataclass(frozen=True)
class Head:
    """One signed head; ``sound`` where its signature is the provider's."""

    seq: int
    hash: str
    at: str
    sound: bool


class Heads:
    """The file of signed heads, appended to at most every ``every_s`` seconds by one process."""

    def __init__(self, file: Path, provider: KeyProvider, every_s: float) -> None:
        self.file, self._provider, self.every_s = file, provider, every_s
        self._last = 0.0

    def due(self) -> bool:
        """Say whether the next commit is to be followed by a signature."""
        return time.monotonic() - self._last >= self.every_s

    def sign(self, seq: int, digest: str) -> None:
        """Append the head as it stands now, durably."""
        told = {
            "suite": CURRENT.name,
            "seq": seq,
            "hash": digest,
            "at": instants.iso(time.time_ns() // 1000),
            "key": hashlib.sha256(self._provider.public()).hexdigest()[:16],
        }
        line = orjson.dumps({**told, "signature": self._provider.sign(_message(told)).hex()}) + b"\n"
        opened = os.open(self.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(opened, line)
            os.fsync(opened)
        finally:
            os.close(opened)
        self._last = time.monotonic()

    def read(self) -> list[Head]:
        """Return every head, oldest first; a line that cannot be read is an unsound head."""
        if not self.file.is_file():
            return []
        public = self._provider.public()
        return [_head(line, public) for line in self.file.read_bytes().splitlines() if line.strip()]


def _message(told: dict[str, object]) -> bytes:
    return _DOMAIN + orjson.dumps(told, option=orjson.OPT_SORT_KEYS)


def _head(line: bytes, public: bytes) -> Head:
    try:
        told = orjson.loads(line)
        signature = bytes.fromhex(told.pop("signature"))
        sound = suite(told["suite"]).signed(public, signature, _message(told))
        return Head(int(told["seq"]), str(told["hash"]), str(told["at"]), sound)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Head(0, "", "", False)
