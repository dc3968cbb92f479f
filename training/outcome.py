"""Outcome: what is counted after a landmark, from the final versions of the lake's events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from features.instants import DAY
from training.attrition import Attrition
from training.followup import NEVER, Followup


@dataclass(frozen=True)
class Labels:
    """One label a landmark: 1.0, 0.0, or NaN where the row is left out (the attrition says why)."""

    y: np.ndarray


class Outcome(Protocol):
    """What is counted; ``text`` says it in plain words, for the card."""

    @property
    def text(self) -> str: ...


@runtime_checkable
class FollowedOutcome(Outcome, Protocol):
    """An outcome that is read from a lake after landmarks."""

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        """Label the landmarks of a follow-up, every row left out written into the attrition."""


@dataclass(frozen=True)
class NoContact:
    """No qualifying contact within the horizon: a finished visit of any kind.

    Online consultations, pharmacy pick-ups and answered follow-ups are kinds of finished
    encounters. A patient lost (dead, transferred, moved, opted out) before a contact is left out.
    """

    text: str = "no finished encounter of any kind within the horizon"

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        end = follow.at + horizon_days * DAY
        contact = follow.next_after("encounters", status="finished")
        lost = np.minimum(follow.next_loss(), follow.death())
        contacted = contact <= end
        unknown = (lost <= end) & (lost < np.where(contacted, contact, NEVER))
        y = np.where(contacted, 0.0, 1.0)
        attrition.drop("lost to follow-up before a contact", follow.patient_id, unknown, ~unknown)
        return Labels(np.where(unknown, np.nan, y))


@dataclass(frozen=True)
class FirstDiagnosis:
    """The first diagnosis of a codelist, dated by its stated onset where there is one.

    An onset before the landmark that was recorded after it leaves the row out, and so does one
    within the washout. Death first counts as no event (it competes).
    """

    codelist: str

    @property
    def text(self) -> str:
        return f"first diagnosis of the codelist {self.codelist}, dated by its stated onset, else by its record"

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        onset = follow.first("diagnoses", self.codelist)
        before = onset <= follow.at
        washed = ~before & (onset <= follow.at + washout_days * DAY)
        attrition.drop("onset before the landmark, recorded after it", follow.patient_id, before, ~before)
        attrition.drop(f"onset in the washout of {washout_days} days", follow.patient_id, washed, ~before & ~washed)
        end = follow.at + horizon_days * DAY
        event = onset <= end
        lost = follow.next_loss()
        unknown = ~before & ~washed & (lost <= end) & (lost < np.where(event, onset, NEVER)) & (lost < follow.death())
        left = ~before & ~washed & ~unknown
        attrition.drop("lost to follow-up before the horizon", follow.patient_id, unknown, left)
        return Labels(np.where(left, event.astype(float), np.nan))


@dataclass(frozen=True)
class UndiagnosedDiabetes:
    """HbA1c of 6.5 % or more in somebody never told of diabetes (ADA Standards of Care: one of its criteria)."""

    cut: float = 6.5

    @property
    def text(self) -> str:
        return f"HbA1c of {self.cut} % or more in a person never told of diabetes"


@dataclass(frozen=True)
class FirstTouch:
    """The first time that a patient opens an item, on the day after the cut."""

    text: str = "the item is opened for the first time within a day"
