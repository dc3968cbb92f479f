"""/v1/jobs: scores or lists of many patients, made in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import FileResponse, Response

from serving.access import Principal
from serving.job_schemas import JobAnswer, JobRequest
from serving.once import Once
from serving.problem import Problem
from serving.recommend import check
from serving.route import Call, Route, answer, packed
from serving.routes.score import check_purpose, check_tasks

if TYPE_CHECKING:
    from serving.desk import Desk

_MEDIA = {".ndjson": "application/x-ndjson", ".csv": "text/csv; charset=utf-8"}


async def add(call: Call) -> Response:
    asked: JobRequest = call.body
    if not call.principal.may(asked.kind):
        raise Problem(403, f"this key does not hold the scope '{asked.kind}'", field="kind")
    check_purpose(call.principal, asked.purpose)
    body = await call.desk.run(_added, call.desk, call.principal, asked, Once(call.desk, call))
    call.desk.jobs.call()
    return answer(body, 202, {"Location": f"/v1/jobs/{orjson.loads(body)['job_id']}"})


def _added(desk: Desk, principal: Principal, asked: JobRequest, once: Once) -> bytes:
    if asked.kind == "score":
        check_tasks(desk, asked.tasks or [], asked.purpose)
    else:
        check(desk, asked.purpose, personalised=asked.personalised)
    return once.earlier() or once.keep_alone(packed(desk.jobs.add(principal, asked)))


async def job(call: Call) -> Response:
    found: dict[str, Any] = call.desk.jobs.job(call.principal, call.path("id"))
    waiting = found["status"] in ("queued", "running")
    return answer(found, headers={"Retry-After": "1"} if waiting else None)


async def file(call: Call) -> Response:
    found = call.desk.jobs.file(call.principal, call.path("id"), call.path("name"))
    return FileResponse(found, media_type=_MEDIA.get(found.suffix, "application/octet-stream"), filename=found.name)


ROUTES = (
    Route(
        "POST",
        "/v1/jobs",
        "score",
        add,
        "Score many patients, or list content for them, in the background; Location tells where it stands",
        JobRequest,
        JobAnswer,
        statuses=(404, 409),
        success=202,
    ),
    Route("GET", "/v1/jobs/{id}", "score", job, "Where a job stands", answer=JobAnswer, statuses=(404,)),
    Route(
        "GET",
        "/v1/jobs/{id}/files/{name}",
        "score",
        file,
        "A finished file",
        gives="application/octet-stream",
        also=("application/x-ndjson", "text/csv"),
        statuses=(404,),
    ),
)
