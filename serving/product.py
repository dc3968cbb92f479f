"""What a job makes, by its kind: how some patients are asked about, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from serving import listings, scores
from serving.access import Principal
from serving.decide import decide, known_patient, record
from serving.job_schemas import JobRequest
from serving.listed import TASK
from serving.question import Question
from serving.recommend import check, for_all, for_one

if TYPE_CHECKING:
    from serving.desk import Desk


@dataclass(frozen=True)
class Portion:
    """What was made of some patients: rows of a file, and of each answer the code of its refusal, if any."""

    rows: list[dict[str, Any]]
    codes: list[str | None]


@dataclass(frozen=True)
class Product:
    """One kind of job.

    Parameters
    ----------
    stem
        Name of its file, without the ending.
    ask
        (desk, who, what was asked, patients, instant of the job) to what was made of them, once it is on record.
    most
        Patients that are asked about at once at most, where that is fewer than ``serving.chunk``: others who ask
        wait for no longer than they do for scores.
    """

    stem: str
    schema: pa.Schema
    ask: Callable[[Desk, Principal, JobRequest, list[str], int], Future[Portion]]
    most: int | None = None


def _scored(desk: Desk, principal: Principal, asked: JobRequest, ids: list[str], at: int) -> Future[Portion]:
    models = desk.models
    specs = {name: served.scorer.spec.digest for name, served in models.scored.items()}
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

    def made(answers: list[dict[str, Any]], _appender: object) -> Portion:
        return Portion(
            list(scores.rows(answers, specs, at)), _codes(each for told in answers for each in told["decisions"])
        )

    return decide(desk, questions, made, models)


def _listed(desk: Desk, principal: Principal, asked: JobRequest, ids: list[str], _at: int) -> Future[Portion]:
    """Make lists of now: popularity and ages would grow old over a long job."""
    assert asked.k is not None and asked.channel is not None
    check(desk, asked.purpose, personalised=asked.personalised)
    make, now = for_one if asked.personalised else for_all, desk.clock.now()
    drawn = []
    for patient_id in ids:
        known = known_patient(desk, patient_id)
        question = Question(patient_id, (TASK,), asked.purpose, now, now, principal, known=known)
        drawn.append(make(desk, question, asked.k, asked.channel))

    def made(_appender: object) -> Portion:
        answers = [listed.answer for listed in drawn]
        return Portion(list(listings.rows(answers)), _codes(answers))

    return record(desk, drawn, made)


def _codes(answers: Iterable[Mapping[str, Any]]) -> list[str | None]:
    return [answer["refused"]["code"] if answer.get("refused") else None for answer in answers]


PRODUCTS: Mapping[str, Product] = {
    "score": Product("scores", scores.SCHEMA, _scored),
    "recommend": Product("lists", listings.SCHEMA, _listed, most=5),
}
