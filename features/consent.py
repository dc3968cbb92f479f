"""Which consent stands: one rule for the score that is asked for now and for the data that a model learns from.

A standing consent is current, separate, unbundled, given on an approved basis under a notice that
still holds, by a guardian where the patient is a child, and not withdrawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict

from features.params import Values, section

YEAR_US = 365.25 * 86_400e6
Row = Mapping[str, Any]


class ConsentRules(Values):
    """The rules of consent in the section ``serving`` of params.yaml.

    Attributes
    ----------
    approved_bases
        Rule ids other than ``consent`` that compliance has approved as a basis.
    superseded_notices
        Notice versions whose purposes, categories or recipients have since changed.
    guardian_below_years
        Age below which a guardian must have consented.
    """

    approved_bases: tuple[str, ...]
    superseded_notices: tuple[str, ...]
    guardian_below_years: float


class _ReadAlone(ConsentRules):
    model_config = ConfigDict(frozen=True, extra="ignore")  # the section's other values are the service's


def consent_rules() -> ConsentRules:
    """Return the rules as they stand in params.yaml."""
    return section("serving", _ReadAlone)


def relied_upon(
    rows: Sequence[Row], purpose: str, now: int, birth: int | None, rules: ConsentRules
) -> tuple[Row | None, str]:
    """Return the newest consent for a purpose that stands, or None and the rule that failed, in plain words.

    Parameters
    ----------
    rows
        The patient's consents of every purpose, one per event (highest version, void ones dropped);
        instants in UTC microseconds.
    birth
        Date of birth in UTC microseconds, where it is known.

    Notes
    -----
    A withdrawal ends every consent for that purpose granted before it, whichever row carries it.
    """
    own = [row for row in rows if row["purpose"] == purpose]
    withdrawn = max((row["withdrawn_at"] for row in own if _past(row.get("withdrawn_at"), now)), default=None)
    failed = "none was given"
    for row in sorted(own, key=granted, reverse=True):
        fault = _fault(row, rows, now, birth, withdrawn, rules)
        if not fault:
            return row, ""
        failed = fault
    return None, failed


def _fault(
    row: Row, rows: Sequence[Row], now: int, birth: int | None, withdrawn: int | None, rules: ConsentRules
) -> str:
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
