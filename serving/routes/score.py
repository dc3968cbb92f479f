"""POST /v1/score and /v1/score/batch: scores from a patient's stored events."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from features import instants
from serving.access import Principal
from serving.appender import Appender
from serving.decide import decide, known_patient
from serving.once import Once
from serving.problem import Problem, nearest
from serving.question import Question
from serving.route import Call, Route, answer, lines, packed
from serving.schemas import BatchAnswer, BatchRequest, ScoreAnswer, ScoreRequest

if TYPE_CHECKING:
    from serving.desk import Desk
    from serving.models import Models


async def score(call: Call) -> Response:
    asked: ScoreRequest = call.body
    now = call.desk.clock.now()
    at = now if asked.as_of is None else asked.as_of
    if at > now:
        raise Problem(422, "as_of lies in the future", field="as_of")
    check_purpose(call.principal, asked.purpose)
    if at < now and asked.as_of is not None and not call.principal.may("past"):
        raise Problem(403, "this key does not hold the scope 'past'", field="as_of")
    if asked.explain == "full" and not call.principal.may("explain"):
        raise Problem(403, "this key does not hold the scope 'explain'", field="explain")
    once = Once(call.desk, call)
    return answer(await call.desk.score(_score, call.desk, call.principal, asked, at, now, once))


def _score(
    desk: Desk, principal: Principal, asked: ScoreRequest, at: int, now: int, once: Once
) -> bytes | Future[bytes]:
    check_tasks(desk, asked.tasks, asked.purpose)
    if not known_patient(desk, asked.patient_id):
        raise Problem(404, "no such patient", code="unknown_patient", field="patient_id")
    earlier = once.earlier()
    if earlier is not None:
        return earlier
    question = Question(
        asked.patient_id,
        tuple(asked.tasks),
        asked.purpose,
        at,
        now,
        principal,
        asked.explain,
        asked.exploratory,
    )

    def finish(answers: list[dict[str, Any]], appender: Appender) -> bytes:
        body = packed(answers[0])
        once.keep(appender, body)
        return body

    return decide(desk, [question], finish)


async def batch(call: Call) -> Response:
    asked: BatchRequest = call.body
    now = call.desk.clock.now()
    check_purpose(call.principal, asked.purpose)
    once, desk = Once(call.desk, call), call.desk
    models, earlier = await desk.run(_begin, desk, asked, once)
    if earlier is not None:
        return lines(call, earlier, "results")
    results: list[dict[str, Any]] = []
    for start in range(0, len(asked.patient_ids), desk.settings.chunk):
        some = asked.patient_ids[start : start + desk.settings.chunk]
        told: list[dict[str, Any]] = await desk.run(_chunk, desk, models, call.principal, asked, some, now)
        results += told
    body = packed({"as_of": instants.iso(now), "results": results})
    return lines(call, await desk.run(once.keep_alone, body), "results")


def _begin(desk: Desk, asked: BatchRequest, once: Once) -> tuple[Models, bytes | None]:
    """Return the models that answer every line of the batch, and the answer given before."""
    check_tasks(desk, asked.tasks, asked.purpose)
    return desk.models, once.earlier()


def _chunk(
    desk: Desk, models: Models, principal: Principal, asked: BatchRequest, ids: list[str], now: int
) -> Future[list[dict[str, Any]]]:
    questions = [
        Question(
            patient_id,
            tuple(asked.tasks),
            asked.purpose,
            now,
            now,
            principal,
            exploratory=asked.exploratory,
            known=known_patient(desk, patient_id),
        )
        for patient_id in ids
    ]
    return decide(desk, questions, lambda answers, _appender: answers, models)


def check_purpose(principal: Principal, purpose: str) -> None:
    """Refuse, by 403, a purpose that the key was not given."""
    if purpose not in principal.purposes:
        raise Problem(403, "this key is not for that purpose", field="purpose")


def check_tasks(desk: Desk, tasks: list[str], purpose: str) -> None:
    """Refuse a task: 403 for a purpose it does not serve, 404 an unknown one, 503 one whose model is damaged."""
    served = desk.models.scored
    for number, name in enumerate(tasks):
        if name in served and purpose not in served[name].task.purposes:
            raise Problem(403, f"'{name}' does not serve that purpose", field=f"tasks.{number}")
    for number, name in enumerate(tasks):
        if name in desk.models.refused:
            message = "the approved model of that task cannot be used now"
            raise Problem(503, message, code="model_unavailable", field=f"tasks.{number}")
        if name not in served:
            message = f"no approved model for that task{nearest(name, served)}"
            raise Problem(404, message, code="unknown_task", field=f"tasks.{number}")


ROUTES = (
    Route(
        "POST",
        "/v1/score",
        "score",
        score,
        "Score one patient, with reasons",
        ScoreRequest,
        ScoreAnswer,
        statuses=(404, 409),
    ),
    Route(
        "POST",
        "/v1/score/batch",
        "score",
        batch,
        "Score many patients; one bad id is one refused line",
        BatchRequest,
        BatchAnswer,
        statuses=(404, 409),
        lines=ScoreAnswer,
    ),
)
