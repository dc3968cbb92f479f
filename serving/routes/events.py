"""POST /v1/events: facts as they become known, stored under the server's clock."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from features import instants
from features.store import CONFLICT
from serving import metrics
from serving.consent import birth
from serving.delivery import Line, Unfit, disbelieve, lines_of_json, lines_of_ndjson, quarantined
from serving.noticing import notice, sign
from serving.once import Once
from serving.route import JSON, NDJSON, Call, Route, lines, packed
from serving.schemas import EventResult, EventsAnswer, EventsRequest

if TYPE_CHECKING:
    from serving.desk import Desk

QUARANTINE = "quarantine.ndjson"


async def events(call: Call) -> Response:
    if call.media == NDJSON:
        sent = lines_of_ndjson(call.raw, call.desk.settings.events_limit)
    else:
        sent = lines_of_json(call.body.events)
    found = await call.desk.run(_stored, call.desk, sent, Once(call.desk, call))
    return lines(call, found, "results")


def _stored(desk: Desk, lines: list[Line], once: Once) -> bytes:
    earlier = once.earlier()
    if earlier is not None:
        return earlier
    known_at = desk.stamp()
    _turn_away(desk, lines)
    disbelieve(lines, known_at, _births(desk, lines, known_at))
    results: dict[int, dict[str, Any]] = {}
    for name in sorted({line.table for line in lines if line.row is not None}):
        own = [line for line in lines if line.row is not None and line.table == name]
        stored = desk.store.append(name, [dict(line.row or {}) for line in own], known_at)
        for line, result in zip(own, stored, strict=True):
            assert line.row is not None
            results[line.place] = {"event_id": line.event_id, "version": line.row["version"], "result": result}
            if result == "quarantined":
                line.unfit = Unfit(CONFLICT, "version")
    _set_aside(desk, [line for line in lines if line.unfit is not None], instants.iso(known_at), results)
    counts = Counter(row["result"] for row in results.values())
    for result, count in counts.items():
        metrics.EVENTS.labels(result).inc(count)
    _notice(desk, [line for line in lines if line.row is not None and line.unfit is None], known_at)
    told = [results[place] for place in sorted(results)]
    body = packed({"known_at": instants.iso(known_at), "counts": dict(sorted(counts.items())), "results": told})
    return once.keep_alone(body)


def _notice(desk: Desk, lines: list[Line], known_at: int) -> None:
    rows = [(line.table, line.row) for line in lines if line.row is not None]
    anew = frozenset(row["patient_id"] for table, row in rows if sign(table, row))
    patients = dict.fromkeys(row["patient_id"] for _, row in rows)
    notice(desk.store, desk.ledger, lambda: desk.catalogue.table, patients, known_at, anew)


def _turn_away(desk: Desk, lines: list[Line]) -> None:
    """Keep nothing of a sealed patient, not even in quarantine."""
    for line in lines:
        if line.row is not None and desk.ledger.keys.tombstone(line.row["patient_id"]) is not None:
            line.unfit, line.row, line.said = Unfit("sealed", "patient_id"), None, None


def _set_aside(desk: Desk, lines: list[Line], at: str, results: dict[int, dict[str, Any]]) -> None:
    if not lines:
        return
    opened = os.open(desk.home / QUARANTINE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(opened, "ab") as file:
        for line in lines:
            assert line.unfit is not None
            file.write(quarantined(line, at))
            reason = {"result": "quarantined", "code": line.unfit.code, "field": line.unfit.field}
            named = {"event_id": line.event_id, "version": None if line.row is None else line.row["version"]}
            results[line.place] = {**named, **reason}


def _births(desk: Desk, lines: list[Line], now: int) -> dict[str, int | None]:
    births: dict[str, int | None] = {}
    for patient_id in {line.row["patient_id"] for line in lines if line.row is not None}:
        births[patient_id] = birth(desk.store.tables(patient_id, ("patients",)).get("patients"), now)
    return births


ROUTES = (
    Route(
        "POST",
        "/v1/events",
        "events",
        events,
        "Deliver events; a bad line is set aside, the rest is stored",
        EventsRequest,
        EventsAnswer,
        bodies=(JSON, NDJSON),
        statuses=(409,),
        lines=EventResult,
    ),
)
