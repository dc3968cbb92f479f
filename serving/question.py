"""What is asked: one patient, some tasks, one purpose, at one instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from serving.access import Principal


@dataclass(frozen=True)
class Question:
    """A question put to the heart.

    Attributes
    ----------
    patient_id
        The surrogate; None for a questionnaire's anonymous answers.
    at
        The landmark, UTC microseconds.
    now
        When it is asked: what consent is judged by.
    exploratory
        Whether models marked exploratory may answer.
    known
        False for an id the store has never seen (a batch answers such a line by a refusal).
    """

    patient_id: str | None
    tasks: tuple[str, ...]
    purpose: str
    at: int
    now: int
    principal: Principal
    explain: Literal["none", "codes", "full"] = "codes"
    exploratory: bool = False
    known: bool = True
