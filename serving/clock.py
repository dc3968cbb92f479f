"""The service's clock: now, or one pinned instant for recorded data."""

from __future__ import annotations

import time
from dataclasses import dataclass

from features.instants import parse


@dataclass(frozen=True)
class Clock:
    """Tells now in UTC microseconds. A pinned clock always tells the same instant."""

    pinned: int | None = None

    @classmethod
    def at(cls, text: str | None) -> Clock:
        """Return a clock pinned at an RFC 3339 time (or the end of a bare date); empty: the real one.

        Raises
        ------
        InputError
            The text is not a time with an offset.
        """
        return cls(parse(text) if text else None)

    def now(self) -> int:
        return self.pinned if self.pinned is not None else time.time_ns() // 1000
