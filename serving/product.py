"""What a job makes, by its kind: how some patients are asked about, and the rows that become of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from features import instants
from serving import listings, scores
from serving.access import Principal
from serving.appender import Appender
from serving.decide import decide, known_patient
from serving.job_schemas import JobRequest
from serving.listed import TASK, record
from serving.question import Question
from serving.reasons import refusal
from serving.recommend import for_all, for_one

if TYPE_CHECKING:
    from serving.desk import Desk

Answers = list[dict[str, Any]]


@dataclass(frozen=True)
class Product:
    """One kind of job.

    Parameters
    ----------
    stem
        Name of its file, without the ending.
    ask
        (desk, who, what was asked, patients, instant of the job) to what is said of each, once it is on record.
    rows
        (desk, answers, instant of the job) to rows of ``schema``.
    outcomes
        Of one answer, the code of each refusal in it; None for what was not refused.
    share
        Part of ``serving.chunk`` that is asked about at once.
    """

    stem: str
    schema: pa.Schema
    ask: Callable[[Desk, Principal, JobRequest, list[str], int], Future[Answers]]
    rows: Callable[[Desk, Answers, int], Iterator[dict[str, Any]]]
    outcomes: Callable[[Mapping[str, Any]], Iterable[str | None]]
    share: float = 1.0


def _scored(desk: Desk, principal: Principal, asked: JobRequest, ids: list[str], at: int) -> Future[Answers]:
    questions = [
        Question(
            patient_id,
            tuple(asked.tasks or ()),
            asked.purpose,
            at,
            desk.clock.now(),
            principal,
            exploratory=asked.exploratory,
            known=known_patient(desk, patient_id),
        )
        for patient_id in ids
    ]
    return decide(desk, questions, lambda answers, _appender: answers)


def _score_rows(desk: Desk, answers: Answers, at: int) -> Iterator[dict[str, Any]]:
    specs = {name: served.scorer.spec.digest for name, served in desk.models.scored.items()}
    return scores.rows(answers, specs, at)


def _listed(desk: Desk, principal: Principal, asked: JobRequest, ids: list[str], _at: int) -> Future[Answers]:
    """Make lists of now: popularity and ages would grow old over a long job."""
    now, drawn, unknown = desk.clock.now(), [], {}
    make = for_one if asked.personalised else for_all
    assert asked.k is not None and asked.channel is not None
    for patient_id in ids:
        question = Question(patient_id, (TASK,), asked.purpose, now, now, principal)
        if known_patient(desk, patient_id):
            drawn.append((desk.ledger.epoch(patient_id), make(desk, question, asked.k, asked.channel)))
        else:
            refused = {"refused": refusal("unknown_patient").answer(), "as_of": instants.iso(now), "items": []}
            unknown[patient_id] = {"patient_id": patient_id, "list_id": None, "model": None, **refused}

    def finish(told: Answers, _appender: Appender) -> Answers:
        found = unknown | {answer["patient_id"]: answer for answer in told}
        return [found[patient_id] for patient_id in ids]

    return record(desk, principal, drawn, now, finish)


def _decisions(answer: Mapping[str, Any]) -> list[str | None]:
    return [code for each in answer["decisions"] for code in _refusal(each)]


def _refusal(answer: Mapping[str, Any]) -> list[str | None]:
    return [answer["refused"]["code"] if answer.get("refused") else None]


PRODUCTS: Mapping[str, Product] = {
    "score": Product("scores", scores.SCHEMA, _scored, _score_rows, _decisions),
    "recommend": Product(
        "lists", listings.SCHEMA, _listed, lambda _desk, answers, _at: listings.rows(answers), _refusal, share=0.1
    ),
}
