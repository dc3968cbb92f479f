"""The heart: a question in, a recorded decision out.

Consent, then whether the question fits the patient, then whether the data are fresh, then one sweep
over the patient's stored events for all tasks, margin and contributions, reasons, and the ledger.
The answer exists only once its record is durable.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from features import instants
from serving import metrics
from serving.appender import Appender
from serving.chart import Chart
from serving.consent import standing
from serving.coverage import masked, uncovered
from serving.draft import Draft
from serving.journal import log
from serving.models import Models, Served
from serving.problem import Problem
from serving.question import Question
from serving.scoring import score
from serving.settings import Serving
from training.explanation import ExplanationFault
from training.task import Task

if TYPE_CHECKING:
    from serving.desk import Desk
    from serving.listed import Listed

Found = TypeVar("Found")


def decide(
    desk: Desk,
    questions: Sequence[Question],
    finish: Callable[[list[dict[str, Any]], Appender], Found],
    models: Models | None = None,
) -> Future[Found]:
    """Answer questions and hand every decision to the ledger, in one transaction.

    Parameters
    ----------
    questions
        One per patient.
    finish
        Called inside the transaction with the answers (receipts filled in) and its appender, for
        what must stand or fall with them.
    models
        Those that were there when a long request began; by default those of now.

    Returns
    -------
    Future
        What ``finish`` returned, once it is durable. It fails with Overtaken where a patient's
        consents changed in the meantime: nothing was recorded, and the whole is to be asked again;
        and with LedgerUnavailable where nothing can be recorded.

    Raises
    ------
    Problem
        503 where an explanation does not add up: no score leaves, none is recorded.
    """
    upto = desk.store.last_seq()
    drafted = [_drafts(desk, models or desk.models, question, upto) for question in questions]

    def answered(appender: Appender) -> Found:
        told = [
            {
                "patient_id": question.patient_id,
                "as_of": instants.iso(question.at),
                "decisions": [draft.answer for draft in drafts],
            }
            for question, drafts in zip(questions, drafted, strict=True)
        ]
        return finish(told, appender)

    return record(desk, [draft for drafts in drafted for draft in drafts], answered)


def record(desk: Desk, drafts: Sequence[Draft | Listed], finish: Callable[[Appender], Found]) -> Future[Found]:
    """Hand drafts, or lists, to the ledger with whatever ``finish`` does in their transaction; then count them."""

    def work(appender: Appender) -> Found:
        for draft in drafts:
            draft.record(appender)
        met = {draft.header["subject"] for draft in drafts if draft.header["subject"] is not None}
        if met:
            desk.watchman.meet(appender, drafts[0].asker, met)
        return finish(appender)

    def count(handed: Future[Found]) -> None:
        if handed.exception() is None:
            for draft in drafts:
                metrics.decisions(draft.header["task"], draft.header["outcome"]).inc()

    handed = desk.hand(work)
    handed.add_done_callback(count)
    return handed


def known_patient(desk: Desk, patient_id: str) -> bool:
    """Say whether a patient can be asked about: on record, or sealed, which is an answer of its own."""
    return desk.store.has(patient_id) or desk.ledger.keys.tombstone(patient_id) is not None


def _drafts(desk: Desk, models: Models, question: Question, upto: int) -> list[Draft]:
    assert question.patient_id is not None
    epoch = desk.ledger.epoch(question.patient_id) if question.known else None
    sealed = desk.ledger.keys.tombstone(question.patient_id) is not None
    chart = None
    if question.known and not sealed:
        chart = desk.shelf.chart(models.behind, desk.store, question.patient_id, upto)
    return judge(models, desk.settings, desk.freshness.judge, question, chart, upto, epoch, sealed)


def judge(
    models: Models,
    rules: Serving,
    fresh: Callable[[int], tuple[list[dict[str, Any]], bool]],
    question: Question,
    chart: Chart | None,
    upto: int | None,
    epoch: int | None = None,
    sealed: bool = False,
) -> list[Draft]:
    """Judge one question from what is known of the patient: the same for an answer and for its replay.

    Parameters
    ----------
    fresh
        Tells for an instant what is stale, and whether it is too stale to score.
    upto
        Number of the last event read, as the record says it.
    chart
        The patient's events, where there are any to read.
    epoch
        State of the patient's consents that the chart belongs to.
    """
    consents = chart.consents(question.now) if chart else []
    born = chart.birth(question.now) if chart else None
    consent = standing(consents, question.purpose, question.now, born, rules)
    refused = "sealed" if sealed else "unknown_patient" if not question.known else consent.refusal
    row = np.empty(0) if refused or chart is None else chart.vector(question.at, models.reads(question.tasks))
    if refused is None and question.purpose in rules.withheld_when_acute and models.acute(row):
        refused = "acute_flag"
    stale, too_old = ([], False) if refused else fresh(question.at)
    drafts: list[Draft] = []
    scored: list[tuple[Draft, Served, np.ndarray]] = []
    for name in question.tasks:
        served = models.scored[name]
        draft = Draft(question, served, consent, upto, epoch)
        drafts.append(draft)
        if refused:
            draft.refuse(refused)
        elif served.exploratory and not question.exploratory:
            draft.refuse("exploratory_model")
        elif failed := unfit(served.task, models.columns(row, served.task.cohort.needs)):
            draft.refuse(*failed)
        elif too_old:
            draft.refuse("stale")
        elif (inputs := _readable(models, served, question, consents, born, rules, row)) is None:
            draft.refuse("no_consent_for_feature_group")
        else:
            scored.append((draft, served, inputs))
    if scored and chart is not None:
        asked = [(served, inputs) for _, served, inputs in scored]
        with alarmed(*(served for served, _ in asked)):
            found = score(asked, chart.origins(question.at, _inputs(asked)))
        for (draft, served, _), fields in zip(scored, found, strict=True):
            draft.score(fields | models.shadowed(row, served.task.name), stale)
    return drafts


def _readable(
    models: Models,
    served: Served,
    question: Question,
    consents: Sequence[Mapping[str, Any]],
    born: int | None,
    rules: Serving,
    row: np.ndarray,
) -> np.ndarray | None:
    """Return the inputs that the patient's consents cover, or None where the model needs more."""
    inputs = models.inputs(row, served.task.name)
    hidden = uncovered(
        models.plan.spec,
        served,
        question.purpose,
        lambda purpose: standing(consents, purpose, question.now, born, rules).refusal is None,
    )
    return masked(served, inputs, hidden) if hidden else inputs


def unfit(task: Task, columns: Mapping[str, np.ndarray]) -> tuple[str, str, str] | None:
    """Return (code, zh, en) of the first criterion of the cohort that leaves the patient out, or None."""
    for criterion in task.cohort.criteria:
        if not criterion.met(columns, 1)[0]:
            return criterion.code, criterion.zh, criterion.en
    return None


@contextlib.contextmanager
def alarmed(*asked: Served) -> Iterator[None]:
    """Count and log an explanation by one of the models asked that does not add up.

    Raises
    ------
    Problem
        503: there is no score.
    """
    try:
        yield
    except ExplanationFault as fault:
        served = asked[fault.place]
        metrics.FAULTS.labels(served.task.name).inc()
        log().error("explanation fault", task=served.task.name, model=served.version, digest=served.digest)
        raise Problem(503, "the explanation does not add up, so there is no score", code="explanation_fault") from None


def _inputs(asked: Sequence[tuple[Served, np.ndarray]]) -> tuple[str, ...]:
    """Return every input of the models asked, each once."""
    return tuple(dict.fromkeys(name for served, _ in asked for name in served.scorer.spec.names))
