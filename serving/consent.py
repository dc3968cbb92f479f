"""Consent: whether a score for a purpose may be made at all, now.

Which consent stands is said by ``features.consent``; here an objection to automated decisions is
heard before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from features.consent import Row, granted, relied_upon
from serving.settings import Serving


@dataclass(frozen=True)
class Standing:
    """The verdict on one purpose.

    Attributes
    ----------
    refusal
        ``no_consent``, ``objected``, or None where a consent stands.
    consent_id, notice
        The consent relied upon and the notice version it was given under.
    why
        The rule that failed, in plain words, for the ledger.
    categories
        Kinds of data and topics that the consent covers.
    """

    refusal: str | None
    consent_id: str | None = None
    notice: str | None = None
    why: str = ""
    categories: frozenset[str] = frozenset()


def known(table: pa.Table | None, now: int) -> list[dict[str, Any]]:
    """Return a patient's rows of one table as known now: per event the highest version, void ones dropped.

    Instants come as UTC microseconds.
    """
    return latest(plain(table), now)


def plain(table: pa.Table | None) -> list[dict[str, Any]]:
    """Return rows as plain values, instants as UTC microseconds."""
    if table is None or table.num_rows == 0:
        return []
    whole = pa.table(
        {
            name: column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )
    return whole.to_pylist()


def latest(rows: Iterable[dict[str, Any]], now: int) -> list[dict[str, Any]]:
    """Return of each event the highest version known now, void ones dropped."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        held = found.get(row["event_id"])
        if row["known_at"] <= now and (held is None or row["version"] > held["version"]):
            found[row["event_id"]] = row
    return [row for row in found.values() if not row["void"]]


def birth(table: pa.Table | None, now: int) -> int | None:
    """Return the birth date on a patient's record as known now, UTC microseconds."""
    return next((row["birth_date"] for row in known(table, now) if row.get("birth_date") is not None), None)


def standing(rows: Sequence[Row], purpose: str, now: int, birth: int | None, rules: Serving) -> Standing:
    """Judge a patient's consents for one purpose.

    Parameters
    ----------
    rows
        The patient's consents as known now, one per event (highest version, void ones dropped);
        instants in UTC microseconds.
    birth
        Date of birth in UTC microseconds, where it is known.

    Notes
    -----
    An objection to automated decisions stands until a later row for the purpose allows them.
    """
    own = [row for row in rows if row["purpose"] == purpose]
    spoken = [row for row in own if row.get("automated_decision")]
    if spoken and max(spoken, key=lambda row: (row["known_at"], granted(row)))["automated_decision"] == "objected":
        return Standing("objected", why="objected to automated decisions")
    row, why = relied_upon(rows, purpose, now, birth, rules)
    if row is None:
        return Standing("no_consent", why=why)
    covered = frozenset(row.get("categories") or ())
    return Standing(None, row["event_id"], row.get("notice_version"), categories=covered)
