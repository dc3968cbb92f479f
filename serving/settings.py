"""Section ``serving`` of params.yaml: limits, consent rules and staleness."""

from __future__ import annotations

from pydantic import Field

from features.consent import ConsentRules
from features.params import Values, section


class Retention(Values):
    """How long records must be kept; counsel confirms.

    Attributes
    ----------
    decisions_days
        From a patient's last scored decision.
    outpatient_days, inpatient_days
        From the last visit or discharge, where decisions are filed in that record.
    filed_outpatient, filed_inpatient
        Whether this hospital files decisions there.
    security_log_days
        Of reads, denials and key events; these name no patient, so they hold no key back.
    key_backup_days
        After which back-ups of the key store expire.
    """

    decisions_days: int = Field(ge=0)
    outpatient_days: int = Field(ge=0)
    inpatient_days: int = Field(ge=0)
    filed_outpatient: bool
    filed_inpatient: bool
    security_log_days: int = Field(ge=183)
    key_backup_days: int = Field(ge=0)


class Watch(Values):
    """What counts as abnormal access.

    Attributes
    ----------
    denials_10min, misses_10min
        Refused requests, and ids that are not there, of one principal in ten minutes.
    patients_10min, patients_day
        Role -> distinct patients of a key that declares no quotas of its own.
    """

    denials_10min: int = Field(gt=0)
    misses_10min: int = Field(gt=0)
    patients_10min: dict[str, int]
    patients_day: dict[str, int]


class Serving(ConsentRules):
    """Values of the service, the rules of consent among them.

    Attributes
    ----------
    body_limit_bytes, batch_limit, events_limit
        Most bytes of a request body, patients of a batch, events of one delivery.
    waiting_limit
        Requests that may wait for the scoring thread before a caller is told 429.
    look_seconds
        How often a worker looks whether another model version is in production.
    shelf
        Patients whose events are kept ready for the sweep beside the store, about 25 KB each.
    chunk
        Patients of a batch that are scored and recorded in one ledger transaction.
    head_seconds
        Seconds after which a commit is followed by a signed head: what a cut of the ledger's end can
        hide from all but receipts.
    session_minutes, key_days, idempotency_hours
        Life of a reviewer's sign-in, of a demo key, of a stored answer.
    watch
        Quotas and what counts as abnormal access.
    retention
        How long an erased patient's key must stand.
    private_channels
        Channels that only the patient sees; sensitive topics go to no other.
    withheld_when_acute
        Purposes that are refused while signs of acute illness stand; care goes on.
    stale_after_days, refuse_after_days
        Per canonical table, days without any new row after which answers say so, or are refused.
    """

    body_limit_bytes: int = Field(gt=0)
    batch_limit: int = Field(gt=0)
    events_limit: int = Field(gt=0)
    waiting_limit: int = Field(gt=0)
    look_seconds: float = Field(gt=0)
    shelf: int = Field(gt=0)
    chunk: int = Field(gt=0)
    head_seconds: float = Field(ge=0)
    session_minutes: int = Field(gt=0)
    key_days: int = Field(gt=0)
    idempotency_hours: int = Field(gt=0)
    watch: Watch
    retention: Retention
    private_channels: tuple[str, ...]
    withheld_when_acute: tuple[str, ...]
    stale_after_days: dict[str, float]
    refuse_after_days: dict[str, float]


def serving() -> Serving:
    """Return the section as it stands in params.yaml."""
    return section("serving", Serving)
