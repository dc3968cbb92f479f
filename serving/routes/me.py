"""GET /v1/me: whom a key stands for, what it may do, and how much of its quotas is used."""

from __future__ import annotations

from starlette.responses import Response

from serving.record_schemas import MeAnswer
from serving.route import Call, Route, answer


async def me(call: Call) -> Response:
    who = call.principal
    quotas = await call.desk.run(call.desk.watchman.quotas, who)
    return answer(
        {
            "name": who.name,
            "role": who.role,
            "department": who.department,
            "scopes": sorted(scope for scope in who.scopes if who.may(scope)),
            "purposes": sorted(who.purposes),
            "hours": list(who.hours),
            "quotas": quotas,
        }
    )


ROUTES = (Route("GET", "/v1/me", "describe", me, "Whom this key stands for, and its quotas", answer=MeAnswer),)
