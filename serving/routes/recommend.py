"""POST /v1/recommend: a list of content, personal or the same for everyone."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING

from starlette.responses import Response

from serving.appender import Appender
from serving.decide import known_patient, record
from serving.listed import TASK
from serving.once import Once
from serving.problem import Problem
from serving.question import Question
from serving.recommend import check, for_all, for_one
from serving.route import Call, Route, answer, packed
from serving.routes.score import check_purpose
from serving.schemas import RecommendAnswer, RecommendRequest

if TYPE_CHECKING:
    from serving.desk import Desk


async def recommend(call: Call) -> Response:
    asked: RecommendRequest = call.body
    check_purpose(call.principal, asked.purpose)
    if asked.explain == "full" and not call.principal.may("explain"):
        raise Problem(403, "this key does not hold the scope 'explain'", field="explain")
    now = call.desk.clock.now()
    question = Question(asked.patient_id, (TASK,), asked.purpose, now, now, call.principal, asked.explain)
    return answer(await call.desk.run(_list, call.desk, question, asked, Once(call.desk, call)))


def _list(desk: Desk, question: Question, asked: RecommendRequest, once: Once) -> bytes | Future[bytes]:
    check(desk, asked.purpose, personalised=asked.personalised)
    if not known_patient(desk, asked.patient_id):
        raise Problem(404, "no such patient", code="unknown_patient", field="patient_id")
    earlier = once.earlier()
    if earlier is not None:
        return earlier
    listed = (for_one if asked.personalised else for_all)(desk, question, asked.k, asked.channel)

    def finish(appender: Appender) -> bytes:
        body = packed(listed.answer)
        once.keep(appender, body)
        return body

    return record(desk, [listed], finish)


ROUTES = (
    Route(
        "POST",
        "/v1/recommend",
        "recommend",
        recommend,
        "A list of reviewed content, with reasons",
        RecommendRequest,
        RecommendAnswer,
        statuses=(404, 409),
    ),
)
