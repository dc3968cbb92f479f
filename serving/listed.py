"""A list on its way to the ledger: the answer's fields beside the record's header and payload."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from features import instants
from serving.access import Principal
from serving.appender import Appender
from serving.consent import Standing
from serving.draft import made_with
from serving.given import Given
from serving.models import Served
from serving.reasons import refusal
from training.affinity.item import Item

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
        What the ledger keeps of the person; of an id that was never seen it keeps nothing.
    given
        What it was made of.
    """

    answer: dict[str, Any]
    header: dict[str, Any]
    payload: dict[str, Any]
    given: Given

    @property
    def asker(self) -> Principal:
        return self.given.question.principal

    def record(self, appender: Appender) -> None:
        """Append it; the answer carries the receipt from then on.

        Raises
        ------
        Overtaken
            The patient's consents changed since they were judged.
        """
        patient_id, epoch = self.payload["patient_id"], self.given.epoch
        if patient_id is not None and epoch is not None:
            appender.holds(patient_id, epoch)
        self.header["subject"] = appender.reference(patient_id) if patient_id is not None else None
        name, at = self.answer["list_id"], self.given.question.now
        self.answer["receipt"] = appender.append("list", name, self.header, self.payload, at).as_dict()

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
        return Listed(answer, header, payload, given)


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
