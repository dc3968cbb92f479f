"""GET /v1/models: which models score now, and their cards."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from serving.models import Served
from serving.problem import Problem, nearest
from serving.route import Call, Route, answer
from serving.schemas import ModelsAnswer, ModelShown


async def models(call: Call) -> Response:
    served = await call.desk.run(lambda: call.desk.models.served)
    return answer({"models": [_shown(each) for each in served.values()]})


async def model(call: Call) -> Response:
    return answer(_shown(await _served(call)))


async def card(call: Call) -> Response:
    served = await _served(call)
    tag = f'"{served.digest}"'
    known = {each.strip().removeprefix("W/") for each in call.http.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers={"ETag": tag})
    return answer(dict(served.card), headers={"ETag": tag})


async def _served(call: Call) -> Served:
    served = await call.desk.run(lambda: call.desk.models.served)
    name = call.path("task")
    if name not in served:
        raise Problem(404, f"no approved model for that task{nearest(name, served)}", code="unknown_task", field="task")
    return served[name]


def _shown(served: Served) -> dict[str, Any]:
    task = served.task
    return {
        "task": task.name,
        "zh": task.zh,
        "en": task.en,
        "purposes": list(task.purposes),
        "horizon_days": task.horizon_days,
        "version": served.version,
        "digest": served.digest,
        "exploratory": served.exploratory,
        "vector_spec": served.scorer.spec.digest,
        "features": len(served.scorer.spec.names),
        "bands": list(served.scorer.bands),
        "approved_at": served.approval["at"],
        "approved_by": served.approval["approver"],
        "card": f"/v1/models/{task.name}/card",
    }


ROUTES = (
    Route("GET", "/v1/models", "models", models, "The models that score now", answer=ModelsAnswer),
    Route("GET", "/v1/models/{task}", "models", model, "One task's model", answer=ModelShown, statuses=(404,)),
    Route(
        "GET",
        "/v1/models/{task}/card",
        "models",
        card,
        "The model's card; If-None-Match spares it",
        statuses=(304, 404),
        headers=("If-None-Match",),
    ),
)
