"""Consent: each rule of COMPLIANCE as one row that would stand but for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from features.consent import YEAR_US
from features.instants import DAY, micros
from features.schema import table
from serving.consent import known, standing
from serving.settings import serving

NOW = micros(datetime(2025, 6, 30, tzinfo=UTC))
RULES = serving()
ADULT = NOW - int(40 * YEAR_US)


def _row(**changes: Any) -> dict[str, Any]:
    row = {
        "event_id": "c1",
        "purpose": "care_followup",
        "basis": "consent",
        "time": NOW - 100 * DAY,
        "known_at": NOW - 100 * DAY,
        "granted_at": NOW - 100 * DAY,
        "withdrawn_at": None,
        "evidence_ref": "paper-1",
        "notice_version": "2025-01",
        "separate": True,
        "guardian": None,
        "automated_decision": "allowed",
    }
    return row | changes


def _judge(*rows: dict[str, Any], birth: int | None = ADULT, purpose: str = "care_followup") -> str | None:
    return standing(rows, purpose, NOW, birth, RULES).refusal


def test_a_plain_consent_stands_and_is_named() -> None:
    found = standing([_row()], "care_followup", NOW, ADULT, RULES)
    assert (found.refusal, found.consent_id, found.notice) == (None, "c1", "2025-01")


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "health_education"},
        {"granted_at": NOW + DAY},
        {"withdrawn_at": NOW},
        {"separate": False},
        {"separate": None},
        {"basis": "legitimate interest"},
    ],
)
def test_what_does_not_stand(changes: dict[str, Any]) -> None:
    assert _judge(_row(**changes)) == "no_consent"


def test_no_row_is_no_consent() -> None:
    assert _judge() == "no_consent"


def test_a_withdrawal_ahead_still_lets_it_stand() -> None:
    assert _judge(_row(withdrawn_at=NOW + DAY)) is None


def test_two_purposes_under_one_paper_are_bundled() -> None:
    assert _judge(_row(), _row(event_id="c2", purpose="health_education")) == "no_consent"
    assert _judge(_row(), _row(event_id="c2", purpose="health_education", evidence_ref="paper-2")) is None


def test_a_withdrawal_ends_every_earlier_consent_but_not_a_later_one() -> None:
    old, gone = _row(), _row(event_id="c2", evidence_ref="paper-2", withdrawn_at=NOW - 10 * DAY)
    assert _judge(old, gone) == "no_consent"
    assert _judge(old, gone, _row(event_id="c3", evidence_ref="paper-3", granted_at=NOW - DAY)) is None


def test_an_objection_goes_to_a_person_until_a_later_row_allows() -> None:
    objected = _row(event_id="c2", evidence_ref="paper-2", automated_decision="objected", known_at=NOW - DAY)
    assert _judge(_row(), objected) == "objected"
    again = _row(event_id="c3", evidence_ref="paper-3", known_at=NOW - DAY // 2)
    assert _judge(_row(), objected, again) is None


def test_a_superseded_notice_is_not_current() -> None:
    rules = RULES.model_copy(update={"superseded_notices": ("2025-01",)})
    assert standing([_row()], "care_followup", NOW, ADULT, rules).refusal == "no_consent"


def test_an_approved_rule_is_a_basis() -> None:
    rules = RULES.model_copy(update={"approved_bases": ("rule-7",)})
    assert standing([_row(basis="rule-7")], "care_followup", NOW, ADULT, rules).refusal is None


def test_a_child_needs_a_guardian() -> None:
    child = NOW - int(10 * YEAR_US)
    assert _judge(_row(), birth=child) == "no_consent"
    assert _judge(_row(guardian=True), birth=child) is None


def test_only_what_is_known_now_counts() -> None:
    schema = table("consents").arrow()
    columns: dict[str, list[Any]] = {field.name: [None, None, None] for field in schema}
    columns |= {
        "patient_id": ["p"] * 3,
        "event_id": ["c1", "c1", "c2"],
        "version": [1, 2, 1],
        "void": [False, False, True],
        "time": [NOW - DAY] * 3,
        "known_at": [NOW - DAY, NOW + DAY, NOW - DAY],
        "purpose": ["care_followup"] * 3,
    }
    arrow = pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema})
    rows = known(arrow, NOW)
    assert [(row["event_id"], row["version"]) for row in rows] == [("c1", 1)]
    assert rows[0]["known_at"] == NOW - DAY
