"""What a source hands over: drafts of canonical rows, and a tally of everything that it met."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Draft(NamedTuple):
    """One canonical row before the checks.

    ``values`` holds columns of the table (features.schema), instants as UTC microseconds, a column
    that the source does not state left out: a missing ``known_at`` (or ``time``) is filled from the
    encounter, else from the source's declared lag.
    """

    table: str
    values: dict[str, Any]
    file: str
    row: int
    encounter: str | None = None
    """event_id of the encounter that the row belongs to."""
    panel: str | None = None
    """names readings that were taken together."""


class Refusal(NamedTuple):
    """One record that could not even be drafted: where it stands and why."""

    table: str
    reason: str
    file: str
    row: int


@dataclass
class Tally:
    """What a reading met: records read and not read by name, and records refused."""

    read: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)
