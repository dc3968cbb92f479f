"""GET /v1/changes: what happened since a cursor, held open until something does."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from serving.changes import following
from serving.patient_schemas import Change, ChangesQuery
from serving.route import NDJSON, Call, Route, packed

if TYPE_CHECKING:
    from serving.desk import Desk

MOST = 1_000
PAUSE_S = 0.25
"""How long a waiting call sleeps between two looks at the ledger; no thread waits with it."""


async def changes(call: Call) -> Response:
    asked: ChangesQuery = call.query
    deadline = time.monotonic() + asked.wait
    while True:
        rows = await call.desk.run(_following, call.desk, asked.after)
        if rows or time.monotonic() >= deadline or await call.http.is_disconnected():
            break
        await asyncio.sleep(min(PAUSE_S, max(deadline - time.monotonic(), 0.0)))
    return Response(b"".join(packed(row) + b"\n" for row in rows), media_type=NDJSON)


def _following(desk: Desk, cursor: int) -> list[dict[str, Any]]:
    desk.identities.tell(desk)
    return following(desk.ledger, cursor, MOST)


ROUTES = (
    Route(
        "GET",
        "/v1/changes",
        "changes",
        changes,
        "Changes after a cursor, one a line, at least once and in order; waits for the first",
        answer=Change,
        query=ChangesQuery,
        gives=NDJSON,
    ),
)
