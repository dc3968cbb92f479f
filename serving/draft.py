"""A decision on its way to the ledger: the answer's fields beside the record's header and payload."""

from __future__ import annotations

import functools
import hashlib
import uuid
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from features import instants
from features.hospital import hospital
from features.params import path
from serving.appender import Appender
from serving.consent import Standing
from serving.models import Served
from serving.question import Question
from serving.reasons import refusal, templates
from serving.scoring import reasons

FULL = ("interval", "margin", "base", "contributions", "group_contributions", "values")


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
        asker = self.asker = question.principal
        self.audience: Literal["staff", "patient"] = "staff" if asker.may("explain") else "patient"
        self.header: dict[str, Any] = {
            "task": served.task.name,
            "question_zh": served.task.zh,
            "question_en": served.task.en,
            "model": served.named(),
            "vector_spec": served.scorer.spec.digest,
            "bands": list(served.scorer.bands),
            **made_with(),
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
            "exploratory": question.exploratory,
            "audience": self.audience,
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
        worded = {name: reasons(fields, name) for name in ("patient", "staff")}
        shown = {**fields, "stale": stale}
        del shown["choices"]
        told = [] if self._question.explain == "none" else [_told(reason) for reason in worded[self.audience]]
        more = FULL if self._question.explain == "full" else ()
        wanted = ("probability", "band", "missing", "stale", "stable", *more)
        self.answer |= {name: shown[name] for name in wanted} | {"reasons": told}
        self.header["outcome"] = "scored"
        self.payload |= shown | {"reasons": worded[self.audience], "reasons_staff": worded["staff"], "refused": None}

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


_ROOT = Path(__file__).resolve().parents[1]


def made_with() -> dict[str, Any]:
    """Return what every decision and list is made with beside its model: templates, code, codelists, policy."""
    return {
        "templates": templates().digest,
        "code": code_version(),
        "codelists": codelists_version(),
        "policy": policy_version(),
    }


@functools.cache
def code_version() -> dict[str, str | None]:
    """Return the version of the code, the digest of its lock file, and of its sources with the hospital's own."""
    sources = [file for package in ("features", "training", "serving") for file in (_ROOT / package).rglob("*.py")]
    own, lock = hospital(), _ROOT / "requirements.lock"
    return {
        "version": version("carepath"),
        "lock": _digest([lock], _ROOT),
        "source": _digest(sources, _ROOT),
        "hospital": own.digest if own else None,
    }


@functools.cache
def codelists_version() -> str | None:
    """Return the digest of the codelists."""
    return _digest([*(_ROOT / "features" / "codes").rglob("*.csv")], _ROOT)


@functools.cache
def policy_version() -> str | None:
    """Return the digest of params.yaml, and a hospital's own laid over it: cut-offs, consent rules, limits."""
    own = hospital()
    laid = [own.params] if own and own.params else []
    return _digest([path(), *laid], Path(path().anchor))


def _digest(files: list[Path], root: Path) -> str | None:
    """Return one SHA-256 over some files, by name and content; None where there is none."""
    present = sorted(file for file in files if file.is_file())
    whole = hashlib.sha256()
    for file in present:
        whole.update(f"{file.relative_to(root)}\n{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest() if present else None
