"""Looking decisions up in the ledger: by patient, time, task, campaign and refusal, newest first, in pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from features.store import EventStore
from serving.consent import known
from serving.ledger import Entry, Ledger

_SCANNED = 20_000
"""Entries that one page may look through for a campaign."""
_FOREVER = 2**62


@dataclass(frozen=True)
class Inquiry:
    """What is looked for; None leaves a condition out.

    Attributes
    ----------
    since, until
        When the decision was asked, UTC microseconds, both inclusive.
    campaign
        Name of a campaign: decisions that a contact of it names.
    refused
        True: refusals; False: scores; a code: that refusal.
    department
        Where the asker must belong.
    after
        Number of the last entry of the page before.
    """

    patient_id: str | None = None
    since: int | None = None
    until: int | None = None
    task: str | None = None
    campaign: str | None = None
    refused: bool | str | None = None
    department: str | None = None
    after: int | None = None
    most: int = 100


@dataclass(frozen=True)
class Page:
    """Entries found, and the cursor of the next page where there may be one."""

    entries: tuple[Entry, ...]
    after: int | None


def found(ledger: Ledger, store: EventStore, inquiry: Inquiry) -> Page:
    """Return one page of decisions."""
    conditions, parameters = ["kind = 'decision'"], list[object]()
    if inquiry.patient_id is not None:
        reference = ledger.keys.reference(inquiry.patient_id)
        if reference is None:
            return Page((), None)
        conditions.append("subject = ?")
        parameters.append(reference)
    pairs = (("at >= ?", inquiry.since), ("at <= ?", inquiry.until), ("task = ?", inquiry.task))
    for condition, value in (*pairs, ("department = ?", inquiry.department), ("seq < ?", inquiry.after)):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    if isinstance(inquiry.refused, bool):
        conditions.append("outcome <> 'scored'" if inquiry.refused else "outcome = 'scored'")
    elif inquiry.refused is not None:
        conditions.append("outcome = ?")
        parameters.append(inquiry.refused)
    if inquiry.campaign is None:
        some = ledger.where(" AND ".join(conditions), tuple(parameters), inquiry.most)
        return Page(tuple(some), some[-1].seq if len(some) == inquiry.most else None)
    return _of_campaign(ledger, store, inquiry, " AND ".join(conditions), tuple(parameters))


def _of_campaign(
    ledger: Ledger, store: EventStore, inquiry: Inquiry, conditions: str, parameters: tuple[object, ...]
) -> Page:
    contacted: dict[str, frozenset[str]] = {}
    chosen: list[Entry] = []
    scanned = ledger.where(conditions, parameters, _SCANNED)
    for entry in scanned:
        subject = entry.header.get("subject")
        patient_id = ledger.patient(subject) if subject else None
        if patient_id is None:
            continue
        if patient_id not in contacted:
            contacted[patient_id] = frozenset(_named(store, patient_id, inquiry.campaign or ""))
        if entry.id in contacted[patient_id]:
            chosen.append(entry)
            if len(chosen) == inquiry.most:
                return Page(tuple(chosen), entry.seq)
    return Page(tuple(chosen), scanned[-1].seq if len(scanned) == _SCANNED else None)


def _named(store: EventStore, patient_id: str, campaign: str) -> Iterator[str]:
    """Yield the decisions that a patient's contacts of a campaign name."""
    for row in known(store.tables(patient_id, ("contacts",)).get("contacts"), _FOREVER):
        if row.get("campaign") == campaign and row.get("decision_id"):
            yield row["decision_id"]
