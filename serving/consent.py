"""Consent: whether a score for a purpose may be made at all, now.

A standing consent is current, separate, unbundled, given on an approved basis under a notice that
still holds, by a guardian where the patient is a child, and not withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from serving.settings import Serving

YEAR_US = 365.25 * 86_400e6
Row = Mapping[str, Any]


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
    A withdrawal ends every consent for that purpose granted before it, whichever row carries it.
    An objection to automated decisions stands until a later row for the purpose allows them.
    """
    own = [row for row in rows if row["purpose"] == purpose]
    spoken = [row for row in own if row.get("automated_decision")]
    if spoken and max(spoken, key=lambda row: (row["known_at"], granted(row)))["automated_decision"] == "objected":
        return Standing("objected", why="objected to automated decisions")
    withdrawn = max((row["withdrawn_at"] for row in own if _past(row.get("withdrawn_at"), now)), default=None)
    failed = "none was given"
    for row in sorted(own, key=granted, reverse=True):
        fault = _fault(row, rows, now, birth, withdrawn, rules)
        if not fault:
            covered = frozenset(row.get("categories") or ())
            return Standing(None, row["event_id"], row.get("notice_version"), categories=covered)
        failed = fault
    return Standing("no_consent", why=failed)


def _fault(row: Row, rows: Sequence[Row], now: int, birth: int | None, withdrawn: int | None, rules: Serving) -> str:
    given = granted(row)
    evidence = row.get("evidence_ref")
    child = birth is not None and (now - birth) / YEAR_US < rules.guardian_below_years
    shared = [o for o in rows if evidence is not None and o.get("evidence_ref") == evidence]
    checks = (
        (given > now, "is not in force yet"),
        (withdrawn is not None and given <= withdrawn, "was withdrawn"),
        (row.get("separate") is not True, "was not asked for separately"),
        (any(other["purpose"] != row["purpose"] for other in shared), "was bundled with another purpose"),
        (row.get("basis") not in ("consent", *rules.approved_bases), "stands on a basis that is not approved"),
        (row.get("notice_version") in rules.superseded_notices, "was given under a notice that has changed"),
        (child and row.get("guardian") is not True, "needs a guardian"),
    )
    return next((text for wrong, text in checks if wrong), "")


def granted(row: Row) -> int:
    """Return when a consent was given, UTC microseconds; the event's time where it does not say."""
    given = row.get("granted_at")
    return int(row["time"] if given is None else given)


def _past(instant: int | None, now: int) -> bool:
    return instant is not None and instant <= now
