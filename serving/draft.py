"""A decision on its way to the ledger: the answer's fields beside the record's header and payload."""

from __future__ import annotations

import functools
import hashlib
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any

from features import instants
from serving.appender import Appender
from serving.consent import Standing
from serving.models import Served
from serving.question import Question
from serving.reasons import refusal, templates
from serving.scoring import reasons

FULL = ("margin", "base", "contributions", "group_contributions", "values")


class Draft:
    """One decision of one task, begun as neither score nor refusal.

    Attributes
    ----------
    answer
        What the caller is told; the receipt comes when it is recorded.
    header
        What the ledger keeps without personal data.
    payload
        What the ledger keeps of the person; of an id that was never seen it keeps nothing.
    """

    def __init__(
        self, question: Question, served: Served, consent: Standing, upto: int | None, epoch: int | None = None
    ) -> None:
        self._question, self._served, self._epoch = question, served, epoch
        self._patient_id = question.patient_id if question.known else None
        self.answer: dict[str, Any] = {
            "decision_id": uuid.uuid4().hex,
            "task": served.task.name,
            "horizon_days": served.task.horizon_days,
            "probability": None,
            "band": None,
            "model": served.named(),
            "reasons": [],
            "stable": None,
            "missing": [],
            "stale": [],
        }
        asker = question.principal
        self.header: dict[str, Any] = {
            "task": served.task.name,
            "question_zh": served.task.zh,
            "question_en": served.task.en,
            "model": served.named(),
            "vector_spec": served.scorer.spec.digest,
            "bands": list(served.scorer.bands),
            "templates": templates().digest,
            "code": code_version(),
            "purpose": question.purpose,
            "principal": asker.name,
            "role": asker.role,
            "department": asker.department,
            "consent_id": consent.consent_id,
            "notice": consent.notice,
            "consent_why": consent.why,
            "as_of": instants.iso(question.at),
            "recorded_at": instants.iso(question.now),
            "store_seq": upto,
        }
        self.payload: dict[str, Any] = {"patient_id": self._patient_id, "horizon_days": served.task.horizon_days}

    def refuse(self, code: str, zh: str = "", en: str = "") -> None:
        """Make it a refusal; ``zh`` and ``en`` say more than the reviewed message where a criterion failed."""
        refused = refusal(code).answer()
        if zh or en:
            refused |= {
                "message_zh": f"{refused['message_zh']}（{zh}）",
                "message_en": f"{refused['message_en']} ({en})",
            }
        self.answer["refused"] = refused
        self.header["outcome"] = code
        kept = ("probability", "band", "reasons", "stable", "missing", "stale", "refused")
        self.payload |= {name: self.answer[name] for name in kept}

    def score(self, fields: dict[str, Any], stale: list[dict[str, Any]]) -> None:
        """Make it a score, worded for whoever asks; the record keeps the staff wording beside it."""
        audience = "staff" if self._question.principal.may("explain") else "patient"
        worded = {name: reasons(fields, name) for name in ("patient", "staff")}
        shown = {**fields, "stale": stale, "stable": None}
        del shown["choices"]
        told = [] if self._question.explain == "none" else [_told(reason) for reason in worded[audience]]
        more = FULL if self._question.explain == "full" else ()
        wanted = ("probability", "band", "missing", "stale", "stable", *more)
        self.answer |= {name: shown[name] for name in wanted} | {"reasons": told}
        self.header["outcome"] = "scored"
        self.payload |= shown | {"reasons": worded[audience], "reasons_staff": worded["staff"], "refused": None}

    def record(self, appender: Appender) -> None:
        """Append it; the answer carries the receipt from then on.

        Raises
        ------
        Overtaken
            The patient's consents changed since they were judged.
        """
        if self._patient_id is not None and self._epoch is not None:
            appender.holds(self._patient_id, self._epoch)
        self.header["subject"] = appender.reference(self._patient_id) if self._patient_id is not None else None
        name, at = self.answer["decision_id"], self._question.now
        receipt = appender.append("decision", name, self.header, self.payload, at)
        self.answer["receipt"] = receipt.as_dict()


def _told(reason: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in reason.items() if name != "template"}


@functools.cache
def code_version() -> dict[str, str | None]:
    """Return the version of the code and the digest of the lock file it was installed from."""
    lock = Path(__file__).resolve().parents[1] / "requirements.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None
    return {"version": version("carepath"), "lock": digest}
