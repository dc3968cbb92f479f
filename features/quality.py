"""What is believed: checks declared per table. A row that fails one is set aside with the reason.

A check never repairs and never drops: it marks. A row carries the first reason of the list below.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.instants import DAY
from features.sources.timing import timing

MISSING = np.iinfo(np.int64).min
"""An instant that is not stated."""


@dataclass(frozen=True)
class Batch:
    """Rows of one table as the checks see them.

    Parameters
    ----------
    columns
        By name: instants as UTC microseconds with MISSING, numbers as float64 with NaN, texts as
        objects with None.
    birth
        Birth date (the end of that day) of each row's patient, MISSING where it is not known.
    known
        Whether the row's patient is a person on record.
    codelist
        Name of the codelist that the row's code belongs to, or None.
    unit_read
        Whether the value stands in its codelist's unit.
    inverted
        Whether the row belongs to a systolic pressure below its diastolic.
    unborn
        Whether all that is known of the row's patient came before the birth date.
    repeated
        Whether an earlier row of this ingest said the same of the same event and version.
    odd
        Whether another row of this ingest says something else of the same event and version.
    received
        When the rows came in, UTC microseconds.
    """

    columns: dict[str, np.ndarray]
    birth: np.ndarray
    known: np.ndarray
    codelist: np.ndarray
    unit_read: np.ndarray
    inverted: np.ndarray
    unborn: np.ndarray
    repeated: np.ndarray
    odd: np.ndarray
    received: int

    @property
    def rows(self) -> int:
        return len(self.birth)

    def instant(self, name: str) -> np.ndarray:
        return self.columns.get(name, np.full(self.rows, MISSING))


@dataclass(frozen=True)
class Check:
    """One declared check: what it is called, what it means, where it holds, which rows fail."""

    reason: str
    meaning: str
    fails: Callable[[Batch], np.ndarray]
    tables: tuple[str, ...] = ()
    """Empty: every table."""


def _missing_patient(batch: Batch) -> np.ndarray:
    return np.array([not text for text in batch.columns["patient_id"]], bool)


def _dated_ahead(batch: Batch) -> np.ndarray:
    return batch.instant("time") > batch.received + DAY


def _before_birth(batch: Batch) -> np.ndarray:
    time = batch.instant("time")
    return (batch.birth != MISSING) & (time != MISSING) & (time <= batch.birth - DAY)


def _ends_before_it_starts(batch: Batch) -> np.ndarray:
    end = batch.instant("end")
    return (end != MISSING) & (end < batch.instant("time"))


def _negative_age(batch: Batch) -> np.ndarray:
    birth = batch.instant("birth_date")
    return (birth != MISSING) & (batch.unborn | (birth - DAY >= batch.instant("known_at")))


def _dead_before_birth(batch: Batch) -> np.ndarray:
    birth, death = batch.instant("birth_date"), batch.instant("deceased_at")
    return (birth != MISSING) & (death != MISSING) & (death <= birth - DAY)


def _implausible(batch: Batch) -> np.ndarray:
    value = batch.columns.get("value", np.full(batch.rows, np.nan))
    bad = np.isinf(value)
    for name, (low, high) in timing().plausible.items():
        bad |= (batch.codelist == name) & ((value < low) | (value > high))
    return bad


def _negative(name: str) -> Callable[[Batch], np.ndarray]:
    def fails(batch: Batch) -> np.ndarray:
        return batch.columns.get(name, np.full(batch.rows, np.nan)) < 0

    return fails


CHECKS = (
    Check("missing_patient_id", "the row names no patient", _missing_patient),
    Check("unknown_patient", "no record of this person is in the source or the lake", lambda batch: ~batch.known),
    Check("no_time", "neither the row nor its encounter says when", lambda batch: batch.instant("time") == MISSING),
    Check(
        "dated_ahead",
        "it is dated more than a day after it came in",
        _dated_ahead,
        ("interactions", "impressions", "feedback"),
    ),
    Check("birth_date_after_visit", "the visit came before the birth date", _before_birth, ("encounters",)),
    Check(
        "birth_date_after_event",
        "the event came before the birth date",
        _before_birth,
        ("diagnoses", "observations", "prescriptions", "care_plans"),
    ),
    Check("negative_age", "the birth date is after all that is known of the person", _negative_age, ("patients",)),
    Check("death_before_birth", "the death came before the birth date", _dead_before_birth, ("patients",)),
    Check("end_before_start", "the end came before the start", _ends_before_it_starts, ("encounters", "care_plans")),
    Check(
        "unit_not_known",
        "the value's unit is missing or has no conversion to the codelist's",
        lambda batch: ~batch.unit_read,
        ("observations",),
    ),
    Check("implausible_value", "outside the range in params.yaml features.plausible", _implausible, ("observations",)),
    Check(
        "systolic_below_diastolic",
        "the two pressures of one reading contradict each other",
        lambda batch: batch.inverted,
        ("observations",),
    ),
    Check("negative_fee", "a fee below zero", _negative("fee"), ("encounters",)),
    Check("negative_supply", "a supply below zero days", _negative("days_supply"), ("prescriptions",)),
    Check(
        "contradicting_rows",
        "rows of the same event and version say different things, so none is believed but what the lake held",
        lambda batch: batch.odd,
    ),
    Check("repeated_row", "an earlier row said the same of the same event", lambda batch: batch.repeated),
)
"""In the order in which a row is asked."""

ERASED = "erased_person"
UNREADABLE = {
    "unreadable_json": "the line is not a FHIR resource in JSON",
    "malformed_resource": "an element has the wrong shape",
    "unreadable_time": "a time cannot be read",
    "unknown_word": "a word that the column does not know: map it",
    "missing_content_id": "the item has no name",
    ERASED: "it is of a person who was erased; nothing of it is kept",
}
"""Reasons of records that did not even become rows: where they stand is told, not what they say."""


def meaning(reason: str) -> str:
    """Return what a reason means."""
    return UNREADABLE.get(reason) or next(check.meaning for check in CHECKS if check.reason == reason)


def judge(table: str, batch: Batch) -> np.ndarray:
    """Return for each row the place in CHECKS of the first check that fails it, else -1."""
    verdict = np.full(batch.rows, -1)
    for place, check in enumerate(CHECKS):
        if not check.tables or table in check.tables:
            verdict[(verdict == -1) & check.fails(batch)] = place
    return verdict
