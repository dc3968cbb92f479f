"""What a source hands over: drafts of canonical rows, and a tally of everything that it met."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
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
    """One record that could not even be drafted: where it stands and why, and in which column where one is to blame."""

    table: str
    reason: str
    file: str
    row: int
    column: str = ""


class Period(NamedTuple):
    """From when to when somebody watched a patient, in every table of the source: None is not stated."""

    patient_id: str | None
    start: int | None
    end: int | None
    file: str
    row: int


@dataclass
class Tally:
    """What a reading met: records read and not read by name, and records refused."""

    read: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    refused: list[Refusal] = field(default_factory=list)


def versions(
    state: dict[str, Any],
    begun: int | None,
    changes: Iterable[tuple[int, dict[str, Any]]] = (),
    died: int | None = None,
    number: int = 1,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one patient: as known from the beginning, and a version for each change since.

    An insurance is known from the day it begins and a death from when it happened, so that a vector
    of 2023 does not see a death of 2025.

    Parameters
    ----------
    state
        What is known from the beginning.
    begun
        When that is; a change that lies earlier is known then.
    changes
        When each further fact began, and the fact.
    died
        Time of death.
    number
        Version of the first row.
    """
    steps: dict[int | None, dict[str, Any]] = {begun: {}}
    for start, fact in sorted(changes, key=lambda each: each[0]):
        steps.setdefault(start if begun is None else max(start, begun), {}).update(fact)
    if died is not None:
        steps.setdefault(died if begun is None else max(died, begun), {}).update(deceased_at=died)
    ordered = sorted(steps.items(), key=lambda each: (each[0] is not None, each[0] or 0))
    for place, (since, change) in enumerate(ordered, number):
        state = {**state, **change}
        yield {**state, "time": since, "known_at": since, "version": place}
