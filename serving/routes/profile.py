"""GET /v1/patients/{id}/profile and DELETE /v1/patients/{id}/tags/{tag}."""

from __future__ import annotations

from starlette.responses import Response

from serving.patient_schemas import ProfileAnswer, ProfileQuery, TagDeleted
from serving.profile import delete_tag, profile
from serving.route import Call, Route, answer
from serving.routes.score import check_purpose


async def shown(call: Call) -> Response:
    purpose = call.query.purpose
    check_purpose(call.principal, purpose)
    return answer(await call.desk.run(profile, call.desk, call.principal, call.path("id"), purpose))


async def deleted(call: Call) -> Response:
    return answer(await call.desk.run(delete_tag, call.desk, call.principal, call.path("id"), call.path("tag")))


ROUTES = (
    Route(
        "GET",
        "/v1/patients/{id}/profile",
        "profile",
        shown,
        "Tags and tiers of a patient, as far as purpose and consent allow",
        answer=ProfileAnswer,
        query=ProfileQuery,
        statuses=(404,),
    ),
    Route(
        "DELETE",
        "/v1/patients/{id}/tags/{tag}",
        "tags",
        deleted,
        "Delete a tag for its patient; it stays deleted",
        answer=TagDeleted,
        statuses=(404,),
    ),
)
