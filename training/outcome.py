"""Outcome: what is counted after a landmark, from the final versions of the lake's events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import numpy as np

from features.instants import DAY
from training.attrition import Attrition
from training.censoring import Ended
from training.followup import Followup

if TYPE_CHECKING:
    import pandas as pd

LOST = "lost to follow-up before the horizon: kept at weight 0"


@dataclass(frozen=True)
class Labels:
    """What became of each landmark.

    Parameters
    ----------
    y
        (n,) 1.0 or 0.0; NaN where the row is left out (the attrition says why). Of a landmark that
        was lost to follow-up it is 0 and means nothing: such a row weighs nothing.
    days
        (n,) time from the landmark to what ended it, at most the horizon.
    ended
        (n,) what ended it: :class:`training.censoring.Ended`.
    """

    y: np.ndarray
    days: np.ndarray
    ended: np.ndarray


class Outcome(Protocol):
    """What is counted; ``text`` says it in plain words, for the card."""

    @property
    def text(self) -> str: ...


@runtime_checkable
class FollowedOutcome(Outcome, Protocol):
    """An outcome that is read from a lake after landmarks.

    One that reads other tables than encounters names them in ``tables``, so that nothing is asked past their end.
    """

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        """Label the landmarks of a follow-up, every row left out written into the attrition."""


def read_by(outcome: Outcome) -> tuple[str, ...]:
    """Return the tables that an outcome says it reads (its ``tables``); encounters where it does not say."""
    found: tuple[str, ...] = getattr(outcome, "tables", ("encounters",))
    return found


def labels(
    outcome: FollowedOutcome, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int
) -> Labels:
    """Label the landmarks of a follow-up by an outcome.

    Who had died or left by the landmark, though the hospital did not know it yet, cannot be followed and is left out.
    """
    here = ~follow.gone()
    if here.all():
        return outcome.label(follow, attrition, horizon_days, washout_days)
    attrition.drop("had died or left by then", follow.patient_id, ~here, here)
    found = outcome.label(follow.among(here), attrition, horizon_days, washout_days)
    y, days, ended = np.full(len(here), np.nan), np.zeros(len(here)), np.full(len(here), Ended.LOST)
    y[here], days[here], ended[here] = found.y, found.days, found.ended
    return Labels(y, days, ended)


def silent(
    follow: Followup,
    contact: np.ndarray,
    horizon: np.ndarray,
    attrition: Attrition,
    what: str,
    kept: np.ndarray | None = None,
) -> Labels:
    """Label by the first contact: 1 where there is none by the horizon; death, too, loses the patient.

    A stay in hospital stops the clock; a landmark whose stay outlasts the records is lost.
    """
    reached = follow.clock(contact)
    lost = follow.clock(np.minimum(follow.next_loss(), follow.death()))
    seen = follow.clock(np.full(len(contact), follow.records_end))
    contacted = (reached <= horizon) & (reached <= lost)
    gone = ~contacted & (lost <= horizon)
    inside = ~contacted & ~gone & (seen < horizon) & follow.paused()
    away = gone | inside
    ended = np.where(contacted, Ended.EVENT, np.where(away, Ended.LOST, Ended.FOLLOWED))
    days = np.where(contacted, reached, np.where(gone, lost, np.where(inside, np.maximum(seen, 0.0), horizon)))
    attrition.weigh(f"lost to follow-up before {what}: kept at weight 0", away if kept is None else away & kept)
    return Labels((ended == Ended.FOLLOWED).astype(float), days, ended)


@dataclass(frozen=True)
class NoContact:
    """No qualifying contact within the horizon: a finished visit of any kind.

    Online consultations, pharmacy pick-ups and answered follow-ups are kinds of finished
    encounters. A patient lost (dead, transferred, moved, opted out) before a contact weighs nothing;
    a stay in hospital stops the clock.
    """

    text: str = "no finished encounter of any kind within the horizon, days in hospital not counted"

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        contact = follow.next_after("encounters", status="finished")
        return silent(follow, contact, np.full(len(contact), float(horizon_days)), attrition, "a contact")


@dataclass(frozen=True)
class NoLogin:
    """No log-in and no other action of one's own on line within the horizon."""

    text: str = "no log-in or other action of the patient's own on line within the horizon"
    tables: ClassVar[tuple[str, ...]] = ("interactions",)

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        action = follow.next_after("interactions")
        return silent(follow, action, np.full(len(action), float(horizon_days)), attrition, "an action on line")


@dataclass(frozen=True)
class FirstDiagnosis:
    """The first diagnosis of a codelist, dated by its stated onset where there is one.

    An onset before the landmark leaves the row out, whether it was on record there or recorded after
    it, and so does one within the washout. Death first counts as no event (it competes); whoever is lost before the
    onset or the horizon weighs nothing.
    """

    codelist: str
    tables: ClassVar[tuple[str, ...]] = ("diagnoses",)

    @property
    def text(self) -> str:
        return f"first diagnosis of the codelist {self.codelist}, dated by its stated onset, else by its record"

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        onset, known = follow.first("diagnoses", self.codelist)
        before = onset <= follow.at
        told = before & (known <= follow.at)
        washed = ~before & (onset <= follow.at + washout_days * DAY)
        left = ~before & ~washed
        if told.any():
            attrition.drop("on record at the landmark already", follow.patient_id, told, ~told)
        attrition.drop("onset before the landmark, recorded after it", follow.patient_id, before & ~told, ~before)
        attrition.drop(f"onset in the washout of {washout_days} days", follow.patient_id, washed, left)
        found = first_of(follow, onset, follow.at + horizon_days * DAY)
        attrition.weigh(LOST, left & (found.ended == Ended.LOST))
        return Labels(np.where(left, found.y, np.nan), found.days, found.ended)


@dataclass(frozen=True)
class Readmission:
    """The next stay in hospital after a discharge; death first counts as none (it competes).

    The time at risk runs from the discharge, which may become known later: whoever is back by then is left out.
    """

    text: str = "a new stay in hospital begins within the horizon of the discharge"

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        discharge = follow.discharge()
        stay, end = follow.stay_after(discharge), discharge + horizon_days * DAY
        late = end <= follow.at
        back = ~late & (stay <= follow.at)
        left = ~late & ~back
        attrition.drop("no discharge whose time at risk was still open", follow.patient_id, late, ~late)
        attrition.drop("back in hospital before the discharge was known", follow.patient_id, back, left)
        found = first_of(follow, stay, end)
        attrition.weigh(LOST, left & (found.ended == Ended.LOST))
        return Labels(np.where(left, found.y, np.nan), found.days, found.ended)


def first_of(follow: Followup, event: np.ndarray, end: np.ndarray) -> Labels:
    """Label an event by the (n,) ends of the time at risk against death, which competes, and loss, which censors."""
    death, loss = follow.death(), follow.next_loss()
    happened = (event <= end) & (event <= np.minimum(death, loss))
    died = ~happened & (death <= end) & (death <= loss)
    lost = ~happened & ~died & (loss <= end)
    ended = np.select([happened, died, lost], [Ended.EVENT, Ended.DEATH, Ended.LOST], Ended.FOLLOWED)
    moment = np.select([happened, died, lost], [event, death, loss], end)
    return Labels(happened.astype(float), (moment - follow.at) / DAY, ended)


@runtime_checkable
class ExaminedOutcome(Outcome, Protocol):
    """An outcome that is read from a table of examined people (``features.sources.nhanes.frame``).

    ``population`` says in words who is asked.
    """

    @property
    def population(self) -> str: ...

    def asked(self, table: pd.DataFrame) -> np.ndarray:
        """Return the (n,) mask of people whom the question is about and of whom the answer is known."""

    def found(self, table: pd.DataFrame) -> np.ndarray:
        """Return the (n,) outcome of people who are asked about, true or false."""


@dataclass(frozen=True)
class UndiagnosedDiabetes:
    """HbA1c of 6.5 % or more in somebody never told of diabetes (ADA Standards of Care: one of its criteria)."""

    cut: float = 6.5
    population: str = "20 and older, never told of diabetes, HbA1c measured"

    @property
    def text(self) -> str:
        return f"HbA1c of {self.cut} % or more in a person never told of diabetes"

    def asked(self, table: pd.DataFrame) -> np.ndarray:
        return ((table["age"] >= 20) & (table["told_diabetes"] == "0") & table["hba1c"].notna()).to_numpy(dtype=bool)

    def found(self, table: pd.DataFrame) -> np.ndarray:
        return (table["hba1c"] >= self.cut).to_numpy(dtype=bool)


@dataclass(frozen=True)
class RaisedBloodPressure:
    """140 mmHg systolic or 90 diastolic, or more, as the mean of up to three readings at one examination.

    Whether somebody was told of hypertension is not in the table: the people learnt from hold some
    who were, and some whose treated pressure is not raised. The diagnosis takes three occasions.
    """

    systolic: float = 140
    diastolic: float = 90
    population: str = "20 and older, blood pressure measured (whether told of hypertension is not in the table)"

    @property
    def text(self) -> str:
        return f"blood pressure of {self.systolic:g}/{self.diastolic:g} mmHg or more at one examination"

    def asked(self, table: pd.DataFrame) -> np.ndarray:
        measured = table["systolic"].notna() & table["diastolic"].notna()
        return ((table["age"] >= 20) & measured).to_numpy(dtype=bool)

    def found(self, table: pd.DataFrame) -> np.ndarray:
        raised = (table["systolic"] >= self.systolic) | (table["diastolic"] >= self.diastolic)
        return raised.to_numpy(dtype=bool)


@dataclass(frozen=True)
class FirstTouch:
    """The first time that a patient opens an item, on the day after the cut."""

    text: str = "the item is opened for the first time within a day"


@dataclass(frozen=True)
class ScreeningDue:
    """A rule decides now; nothing is followed. ``text`` says where the rule comes from."""

    text: str
