"""A POST sent twice under one Idempotency-Key is answered once."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

from serving.appender import Answered, Appender
from serving.problem import Problem
from serving.route import Call

if TYPE_CHECKING:
    from serving.desk import Desk

HEADER = "idempotency-key"
LONGEST = 128


class Once:
    """What one call's key stands for; without a key nothing is looked up and nothing is kept.

    Raises
    ------
    Problem
        422 for a key that is empty, too long or not plain ASCII.
    """

    def __init__(self, desk: Desk, call: Call) -> None:
        self._desk, self._principal = desk, call.principal.name
        self.key = call.http.headers.get(HEADER)
        if self.key is None:
            return
        if not (1 <= len(self.key) <= LONGEST and self.key.isascii() and self.key.isprintable()):
            raise Problem(422, f"an Idempotency-Key is 1 to {LONGEST} printable characters", field="Idempotency-Key")
        self._digest = hashlib.sha256(call.http.url.path.encode() + b"\n" + call.raw).hexdigest()

    def earlier(self) -> bytes | None:
        """Return the answer given before under this key, or None.

        Raises
        ------
        Problem
            409 where the key came with another body or to another route.
        """
        kept = self._desk.ledger.kept(self._principal, self.key, self._since()) if self.key is not None else None
        if kept is None:
            return None
        if kept[0] != self._digest:
            raise _taken()
        return kept[1]

    def keep(self, appender: Appender, body: bytes) -> None:
        """Keep the answer in the transaction that records it.

        Raises
        ------
        Answered
            The same request was answered meanwhile; nothing of this one is recorded.
        Problem
            409 where another request took the key meanwhile.
        """
        if self.key is not None:
            now = time.time_ns() // 1000
            try:
                appender.keep(self._principal, self.key, self._digest, body, now, self._since())
            except Answered as other:
                if other.digest != self._digest:
                    raise _taken() from None
                raise

    def keep_alone(self, body: bytes) -> bytes:
        """Keep an answer that records nothing else, and return it."""
        if self.key is not None:
            with self._desk.ledger.writing() as appender:
                self.keep(appender, body)
        return body

    def _since(self) -> int:
        return time.time_ns() // 1000 - self._desk.settings.idempotency_hours * 3_600_000_000


def _taken() -> Problem:
    return Problem(409, "this Idempotency-Key was used for another request", field="Idempotency-Key")
