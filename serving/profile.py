"""A patient's tags and tiers for one purpose, on record; and what stands deleted by the patient."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from features import instants
from features.tagging.tag import LAYERS
from features.tags import Held, Tier, tags
from serving.access import Principal
from serving.changes import announce
from serving.consent import birth, known, standing
from serving.ledger import Appender
from serving.noticing import last, remember, seen
from serving.problem import Problem, nearest
from serving.reasons import refusal

if TYPE_CHECKING:
    from serving.desk import Desk
    from serving.ledger import Entry

HIGH = ("high", "very_high")
DELETED = "tag_deleted"
_MOST = 1_000
_DECISIONS = 50


def profile(desk: Desk, principal: Principal, patient_id: str, purpose: str) -> Future[dict[str, Any]]:
    """Return the tags and tiers that a purpose may see, once it is on record that they were read.

    Raises
    ------
    Problem
        404 where there is no such patient.
    """
    sealed = desk.ledger.keys.tombstone(patient_id) is not None
    if not sealed and not desk.store.has(patient_id):
        raise Problem(404, "no such patient", code="unknown_patient", field="id")
    now, epoch = desk.clock.now(), desk.ledger.epoch(patient_id)
    tables = {} if sealed else desk.store.tables(patient_id)
    consents, born = known(tables.get("consents"), now), birth(tables.get("patients"), now)
    consent = standing(consents, purpose, now, born, desk.settings)
    refused = "sealed" if sealed else consent.refusal
    told: dict[str, Any] = {
        "patient_id": patient_id,
        "as_of": instants.iso(now),
        "purpose": purpose,
        "tags": [],
        "tiers": [],
    }
    state, before = None, None
    if refused is not None:
        told["refused"] = refusal(refused).answer()
    else:
        state, before = seen(tables, desk.catalogue.table, patient_id, now), last(desk.ledger, patient_id)
        found = tags().profile(tables, desk.catalogue.table, patient_id, now, purpose)
        shown = [_tag(held) for held in found.tags] + _by_model(desk, patient_id, purpose)
        gone, covered = deleted(desk, patient_id), "sensitive" in consent.categories
        told["tags"] = [each for each in shown if each["code"] not in gone and (covered or not each["sensitive"])]
        told["tiers"] = [_tier(tier) for tier in found.tiers if tier.code not in gone]

    def record(appender: Appender) -> dict[str, Any]:
        appender.holds(patient_id, epoch)
        header = {
            "principal": principal.name,
            "role": principal.role,
            "department": principal.department,
            "purpose": purpose,
            "consent_id": consent.consent_id,
            "at": told["as_of"],
            "outcome": refused or "shown",
            "subject": appender.reference(patient_id),
        }
        if header["subject"] is not None:
            desk.watchman.meet(appender, principal, [header["subject"]])
        payload = {"tags": [each["code"] for each in told["tags"]], "tiers": [each["code"] for each in told["tiers"]]}
        receipt = appender.append("profile", uuid.uuid4().hex, header, {} if sealed else payload)
        if state is not None and state != before:
            remember(appender, patient_id, before, state, now)
        return told | {"receipt": receipt.as_dict()}

    return desk.ledger.hand(record)


def delete_tag(desk: Desk, principal: Principal, patient_id: str, code: str) -> Future[dict[str, Any]]:
    """Delete a tag (or tier) of a patient for good.

    Raises
    ------
    Problem
        404 where there is no such patient, or no such tag.
    """
    if not desk.store.has(patient_id) or desk.ledger.keys.tombstone(patient_id) is not None:
        raise Problem(404, "no such patient", code="unknown_patient", field="id")
    codes = deletable(desk)
    if code not in codes:
        raise Problem(404, f"no such tag{nearest(code, codes)}", code="unknown_tag", field="tag")
    earlier = deleted(desk, patient_id).get(code)
    told = {"patient_id": patient_id, "tag": code}

    def record(appender: Appender) -> dict[str, Any]:
        if earlier is not None:
            return told | {"result": "already_deleted", "receipt": earlier.receipt.as_dict()}
        now = desk.clock.now()
        header = {
            "principal": principal.name,
            "role": principal.role,
            "at": instants.iso(now),
            "subject": appender.reference(patient_id),
        }
        receipt = appender.append(DELETED, uuid.uuid4().hex, header, {"tag": code})
        announce(appender, "tag.changed", now, patient_id=patient_id)
        return told | {"result": "deleted", "receipt": receipt.as_dict()}

    return desk.ledger.hand(record)


def deleted(desk: Desk, patient_id: str) -> dict[str, Entry]:
    """Return what a patient deleted: code -> the entry that says so."""
    reference = desk.ledger.keys.reference(patient_id)
    if reference is None:
        return {}
    found = desk.ledger.where("kind = ? AND subject = ?", (DELETED, reference), _MOST)
    return {entry.payload["tag"]: entry for entry in found}


def deletable(desk: Desk) -> tuple[str, ...]:
    """Return the codes of everything that a profile may show."""
    rules = tags().rules.every
    return (*(tag.code for tag in rules), *(f"high_{task}" for task in desk.models.scored))


def _by_model(desk: Desk, patient_id: str, purpose: str) -> list[dict[str, Any]]:
    """Return a tag for each task whose latest score under this purpose, by a version that still serves, was high."""
    reference = desk.ledger.keys.reference(patient_id)
    if reference is None:
        return []
    latest: dict[str, Entry] = {}
    for entry in desk.ledger.where("kind = 'decision' AND subject = ?", (reference,), _DECISIONS):
        if entry.header["purpose"] == purpose and entry.header["outcome"] == "scored":
            latest.setdefault(entry.header["task"], entry)
    found = []
    for task, served in desk.models.scored.items():
        scored = latest.get(task)
        if scored is None or scored.header["model"]["digest"] != served.digest or served.exploratory:
            continue
        band = scored.payload["band"]
        if band not in HIGH:
            continue
        zh, en = ("高", "high") if band == "high" else ("很高", "very high")
        found.append(
            {
                "code": f"high_{task}",
                "zh": f"{served.task.zh}: 风险高",
                "en": f"{served.task.en}: high",
                "layer": "health" if task.rpartition("_")[0] in _diseases() else "behaviour",
                "value": band,
                "value_zh": zh,
                "value_en": en,
                "set_by": "model",
                "version": served.version,
                "model": served.task.name,
                "since": scored.header["as_of"],
                "sensitive": False,
                "weak": False,
                "static": False,
            }
        )
    return found


def _diseases() -> frozenset[str]:
    return frozenset(tag.code for tag in tags().tags if tag.layer == "health")


def _tag(held: Held) -> dict[str, Any]:
    tag = held.tag
    assert tag.layer in LAYERS
    words: Mapping[str, tuple[str, str]] = tag.words
    zh, en = words.get(str(held.value), (None, None))
    return {
        "code": tag.code,
        "zh": tag.zh,
        "en": tag.en,
        "layer": tag.layer,
        "value": held.value,
        "value_zh": zh,
        "value_en": en,
        "set_by": "rule",
        "version": held.version,
        "model": None,
        "since": instants.iso(held.since),
        "sensitive": tag.sensitive,
        "weak": tag.weak,
        "static": tag.static,
    }


def _tier(tier: Tier) -> dict[str, Any]:
    return {
        "code": tier.code,
        "zh": tier.zh,
        "en": tier.en,
        "scheme": tier.scheme,
        "since": instants.iso(tier.since),
        "version": tier.version,
        "review": tier.review,
    }
