"""GET and POST /v1/self-test/{task}: a questionnaire, and a risk report from its answers."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.responses import Response

from features.errors import InputError
from serving.access import Principal
from serving.appender import Appender
from serving.consent import Standing
from serving.decide import alarmed, record, unfit
from serving.draft import Draft
from serving.models import Served
from serving.once import Once
from serving.problem import Problem, nearest
from serving.question import Question
from serving.route import Call, Route, answer, packed
from serving.schemas import QuestionnaireAnswer, SelfTestAnswer, SelfTestRequest
from serving.scoring import score
from training.questionnaire import Questionnaire

if TYPE_CHECKING:
    from serving.desk import Desk

PURPOSE = "self_test"
NOTE = {"zh": "这是风险估计，不是诊断。", "en": "A risk, not a diagnosis."}
ADVICE = {
    "book_check_up": {
        "zh": "估计风险偏高，建议预约检查，由医生判断。",
        "en": "The estimated risk is raised: book a check-up and let a doctor judge.",
    },
    "keep_in_touch": {
        "zh": "估计风险不高，可按常规体检安排随访。",
        "en": "The estimated risk is not raised: keep to your usual check-ups.",
    },
}


async def questions(call: Call) -> Response:
    served = await call.desk.run(_served, call.desk, call.path("task"))
    task, asked = served.task, _questionnaire(served)
    return answer(
        {
            "task": task.name,
            "zh": task.zh,
            "en": task.en,
            "horizon_days": task.horizon_days,
            "note_zh": NOTE["zh"],
            "note_en": NOTE["en"],
            "schema": asked.schema(),
        }
    )


async def report(call: Call) -> Response:
    if PURPOSE not in call.principal.purposes:
        raise Problem(403, "this key is not for self-tests")
    once = Once(call.desk, call)
    return answer(await call.desk.run(_report, call.desk, call.principal, call.path("task"), call.body, once))


def _served(desk: Desk, name: str) -> Served:
    tests = {task: served for task, served in desk.models.served.items() if served.task.questionnaire}
    if name not in tests:
        raise Problem(404, f"no such self-test{nearest(name, tests)}", code="unknown_task", field="task")
    return tests[name]


def _report(desk: Desk, principal: Principal, name: str, asked: SelfTestRequest, once: Once) -> bytes | Future[bytes]:
    served, now = _served(desk, name), desk.clock.now()
    values = _values(_questionnaire(served), asked)
    earlier = once.earlier()
    if earlier is not None:
        return earlier
    consent = Standing(None, notice="self_test tick") if asked.consent else Standing("no_consent", why="not ticked")
    draft = Draft(Question(None, (name,), PURPOSE, now, now, principal), served, consent, None)
    columns = {key: np.array([value]) for key, value in values.items()}
    if consent.refusal:
        draft.refuse(consent.refusal)
    elif failed := unfit(served.task, columns):
        draft.refuse(*failed)
    else:
        row = np.array([values[feature] for feature in served.scorer.spec.names])
        with alarmed(served):
            (fields,) = score([(served, row)], {})
        draft.score(fields, [])

    def finish(appender: Appender) -> bytes:
        body = packed(_shown(draft))
        once.keep(appender, body)
        return body

    return record(desk, [draft], finish)


def _values(questionnaire: Questionnaire, asked: SelfTestRequest) -> dict[str, float]:
    try:
        return questionnaire.values(asked.answers)
    except InputError as error:
        if error.where in [question.name for question in questionnaire.questions]:
            raise Problem(422, error.what, field=f"answers.{error.where}") from None
        near = f"; did you mean '{error.nearest}'?" if error.nearest else ""
        raise Problem(422, f"no such question{near}", code="unknown_field", field="answers") from None


def _questionnaire(served: Served) -> Questionnaire:
    assert served.task.questionnaire is not None
    return served.task.questionnaire


def _shown(draft: Draft) -> dict[str, Any]:
    band = draft.answer["band"]
    code = None if band is None else "book_check_up" if band in ("high", "very_high") else "keep_in_touch"
    advice = {"code": code, **ADVICE[code]} if code else None
    return {**draft.answer, "note_zh": NOTE["zh"], "note_en": NOTE["en"], "advice": advice}


ROUTES = (
    Route(
        "GET",
        "/v1/self-test/{task}",
        "self_test",
        questions,
        "The questionnaire as JSON Schema, in Chinese and English",
        answer=QuestionnaireAnswer,
        statuses=(404,),
    ),
    Route(
        "POST",
        "/v1/self-test/{task}",
        "self_test",
        report,
        "A risk report from the answers; nothing is kept but the decision",
        SelfTestRequest,
        SelfTestAnswer,
        statuses=(404, 409),
    ),
)
