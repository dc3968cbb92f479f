"""Whose tags or acute state are no longer what they were, told to callers as changes.

What was last told of a patient stands in the ledger (kind ``tag_state``, sealed under the patient's
key). It begins when somebody first reads the patient's profile, or when the patient falls acutely
ill; from then on every delivery of events, and a nightly look (time alone ends windows), compares.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from features import instants
from features.codes import codelist
from features.store import EventStore
from features.tags import tags
from serving.changes import Kind, announce
from serving.ledger import Appender, Ledger

STATE = "tag_state"
_SIGNS = ("emergency", "inpatient")
State = dict[str, Any]


def sign(table: str, row: Mapping[str, Any]) -> bool:
    """Say whether a delivered row may begin or end an acute state."""
    if table == "encounters":
        return row.get("kind") in _SIGNS
    lists = (codelist("chest_pain"), codelist("acute_infection"))
    return table == "diagnoses" and any(each.matches(row.get("code_system"), row.get("code")) for each in lists)


def notice(
    store: EventStore,
    ledger: Ledger,
    contents: Callable[[], pa.Table],
    patient_ids: Iterable[str],
    now: int,
    anew: frozenset[str] = frozenset(),
) -> int:
    """Compare patients with what was last told of them, and tell what changed.

    Parameters
    ----------
    contents
        Gives the canonical table ``contents``.
    patient_ids
        Whom to look at. Of whom nothing was told before is passed over.
    anew
        Those of them for whom a first state may begin: they may have fallen acutely ill.

    Returns
    -------
    int
        How many patients had changed.
    """
    told: list[tuple[str, State | None, State]] = []
    for patient_id in patient_ids:
        if ledger.keys.tombstone(patient_id) is not None:
            continue
        before = last(ledger, patient_id)
        if before is None and patient_id not in anew:
            continue
        state = seen(store.tables(patient_id), contents(), patient_id, now)
        if changed(before, state):
            told.append((patient_id, before, state))
    if told:
        with ledger.writing() as appender:
            for patient_id, before, state in told:
                remember(appender, patient_id, before, state, now)
    return len(told)


def remember(appender: Appender, patient_id: str, before: State | None, state: State, now: int) -> None:
    """Keep a state in place of the one before, and tell what changed."""
    header = {"subject": appender.reference(patient_id), "at": instants.iso(now)}
    appender.append(STATE, uuid.uuid4().hex, header, state)
    for kind in changed(before, state):
        announce(appender, kind, now, patient_id=patient_id)


def last(ledger: Ledger, patient_id: str) -> State | None:
    """Return what was last told of a patient, or None."""
    reference = ledger.keys.reference(patient_id)
    if reference is None:
        return None
    found = ledger.where("kind = ? AND subject = ?", (STATE, reference), 1)
    return found[0].payload if found else None


def seen(tables: Mapping[str, pa.Table], contents: pa.Table, patient_id: str, now: int) -> State:
    """Return a patient's tags and tiers, whatever the purpose, and whether signs of acute illness stand."""
    every = tags()
    rules = every.rules
    ready, facts = rules.ready(tables, pa.array([patient_id], pa.string()), contents)
    columns = rules.columns(ready, facts, np.zeros(1, np.int64), np.array([now], np.int64))
    held = {name: values[0] for name, values in rules.judged(columns, rules.names(None), 1).items()}
    return {
        "tags": {name: value for name, value in held.items() if value is not None},
        "acute": every.acute(tables, patient_id, now),
    }


def changed(before: State | None, state: State) -> list[Kind]:
    """Return what is to be told. A first state tells of nothing but acute illness."""
    kinds: list[Kind] = []
    acute = bool(before and before["acute"])
    if state["acute"] != acute:
        kinds.append("acute.set" if state["acute"] else "acute.cleared")
    if before is not None and before["tags"] != state["tags"]:
        kinds.append("tag.changed")
    return kinds


def watched(store: EventStore, ledger: Ledger) -> Iterable[str]:
    """Yield every patient of the store of whom something was told."""
    return (patient_id for patient_id in store.patients() if last(ledger, patient_id) is not None)
