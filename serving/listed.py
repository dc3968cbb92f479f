"""A list on its way to the ledger: the answer's fields beside the record's header and payload."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from features import instants
from serving import metrics
from serving.access import Principal
from serving.appender import Appender
from serving.consent import Standing
from serving.draft import made_with
from serving.given import Given
from serving.models import Served
from serving.reasons import refusal
from training.affinity.item import Item

if TYPE_CHECKING:
    from serving.desk import Desk

Found = TypeVar("Found")
TASK = "content_affinity"
POLICY, EVERYONE = "ranked-explore-last-1", "date-and-channel-for-everyone-2"
"""Names of what orders a list, for its log."""
COARSE = {
    "not_published": "not_current",
    "expired": "not_current",
    "not_reviewed": "not_reviewed",
    "wording": "not_reviewed",
    "age": "not_suitable",
    "contraindicated": "not_suitable",
    "sensitive": "not_suitable",
    "fatigue": "shown_often",
}
"""Why an item is withheld -> the class that a caller without the right to more is told."""


@dataclass(frozen=True)
class Listed:
    """A list or its refusal.

    Parameters
    ----------
    answer
        What the caller is told; the receipt comes when it is recorded.
    header
        What the ledger keeps without personal data.
    payload
        What the ledger keeps of the person.
    """

    answer: dict[str, Any]
    header: dict[str, Any]
    payload: dict[str, Any]

    @staticmethod
    def of(
        given: Given,
        served: Served | None,
        consent: Standing,
        shown: Sequence[dict[str, Any]] = (),
        withheld: Mapping[str, str] | None = None,
        refused: str | None = None,
        logged: Mapping[str, Any] | None = None,
    ) -> Listed:
        """Put a list together.

        Parameters
        ----------
        withheld
            Content id -> why the person may not see it.
        refused
            Code of the refusal that stands instead.
        logged
            What else the record keeps of the person.
        """
        question, asker, withheld = given.question, given.question.principal, withheld or {}
        model = None if served is None else served.named()
        answer: dict[str, Any] = {
            "list_id": uuid.uuid4().hex,
            "patient_id": question.patient_id,
            "as_of": instants.iso(question.at),
            "personalised": given.personalised,
            "items": list(shown),
            "excluded": dict(sorted(Counter(COARSE[why] for why in withheld.values()).items())),
            "model": model,
        }
        items = [{"content_id": name, "why": why} for name, why in withheld.items()]
        if question.explain == "full":
            answer["excluded_items"] = items
            relative = (logged or {}).get("relative") or [None] * len(shown)
            told = zip(shown, relative, strict=True)
            answer["items"] = [item | {"contributions": each} for item, each in told]
        if refused is not None:
            answer["refused"] = refusal(refused).answer()
        header = {
            "task": TASK,
            "model": model,
            **made_with(),
            "purpose": question.purpose,
            "principal": asker.name,
            "role": asker.role,
            "department": asker.department,
            "consent_id": consent.consent_id,
            "notice": consent.notice,
            "channel": given.channel,
            "k": given.k,
            "list_policy": POLICY if given.personalised else EVERYONE,
            "personalised": given.personalised,
            "as_of": instants.iso(question.at),
            "recorded_at": instants.iso(question.now),
            "store_seq": given.upto,
            "contents_seq": given.contents_seq,
            "outcome": refused or "listed",
        }
        payload = {
            "patient_id": question.patient_id if question.known else None,
            "items": list(shown),
            "excluded_items": items,
            **(logged or {}),
            "refused": answer.get("refused"),
            "probability": None,
        }
        return Listed(answer, header, payload)


def record(
    desk: Desk,
    principal: Principal,
    drawn: Sequence[tuple[int, Listed]],
    now: int,
    finish: Callable[[list[dict[str, Any]], Appender], Found],
) -> Future[Found]:
    """Hand lists to the ledger, in one transaction.

    Parameters
    ----------
    drawn
        Each with the epoch of the patient's consents from before it was made.
    finish
        Called inside the transaction with the answers (receipts filled in) and its appender.

    Returns
    -------
    Future
        What ``finish`` returned, once it is durable; it fails as that of `serving.decide.decide` does.
    """

    def work(appender: Appender) -> Found:
        told = []
        for epoch, listed in drawn:
            patient_id = listed.payload["patient_id"]
            listed.header["subject"] = None
            if patient_id is not None:
                appender.holds(patient_id, epoch)
                listed.header["subject"] = appender.reference(patient_id)
            receipt = appender.append("list", listed.answer["list_id"], listed.header, listed.payload, now)
            told.append({**listed.answer, "receipt": receipt.as_dict()})
        met = {listed.header["subject"] for _, listed in drawn} - {None}
        if met:
            desk.watchman.meet(appender, principal, met)
        return finish(told, appender)

    def count(handed: Future[Found]) -> None:
        if handed.exception() is None:
            for _, listed in drawn:
                metrics.decisions(TASK, listed.header["outcome"]).inc()

    handed = desk.ledger.hand(work)
    handed.add_done_callback(count)
    return handed


def shown(
    item: Item,
    slot: int,
    affinity: float | None,
    reasons: list[dict[str, str]],
    propensity: float,
    sampled: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Return an item as a list shows it; ``sampled`` is what its slot was drawn from, where one was drawn."""
    return {
        "content_id": item.content_id,
        "title": item.title,
        "format": item.format,
        "slot": slot,
        "affinity": affinity,
        "reasons": reasons,
        "propensity": propensity,
        "sampled": None if sampled is None else list(sampled),
    }
