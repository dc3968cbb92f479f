"""The service's own application with three routes beside its own, to see what each part of an answer costs.

``/bench/empty`` does nothing; ``/bench/score`` scores stored events and words the reasons, without
consent and record; ``/bench/contrib`` does the same with LightGBM's contributions in the place of ours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.start import CLOCK, HOME, QUIET

os.environ.update(QUIET)

import bentoml
import numpy as np
from starlette.responses import Response

from serving.api import ROUTES, application
from serving.clock import Clock
from serving.desk import Desk
from serving.journal import open_journal
from serving.reasons import choose, templates
from serving.route import Call, Route, answer, packed
from serving.schemas import ScoreRequest
from serving.scoring import reasons, score
from serving.service import Front

if TYPE_CHECKING:
    import lightgbm

BOOSTERS: dict[str, lightgbm.Booster] = {}


async def empty(call: Call) -> Response:
    return answer({"patient_id": call.body.patient_id})


async def scored(call: Call) -> Response:
    return answer(await call.desk.score(_scored, call.desk, call.body))


async def contributed(call: Call) -> Response:
    return answer(await call.desk.score(_contributed, call.desk, call.body))


def vector(desk: Desk, asked: ScoreRequest) -> np.ndarray:
    """Return the plan's vector from the patient's stored events, as a decision reads it."""
    chart = desk.shelf.chart(desk.models.behind, desk.store, asked.patient_id, desk.store.last_seq())
    return chart.vector(desk.clock.now(), desk.models.reads(tuple(asked.tasks)))


def _scored(desk: Desk, asked: ScoreRequest) -> bytes:
    row = vector(desk, asked)
    found = []
    every = [(desk.models.scored[name], desk.models.inputs(row, name)) for name in asked.tasks]
    for name, fields in zip(asked.tasks, score(every, None), strict=True):
        shown = {key: fields[key] for key in ("probability", "band", "missing")}
        found.append({"task": name, **shown, "reasons": reasons(fields, "patient")})
    return packed({"decisions": found})


def _contributed(desk: Desk, asked: ScoreRequest) -> bytes:
    import lightgbm

    row = vector(desk, asked)
    found: list[dict[str, Any]] = []
    for name in asked.tasks:
        served = desk.models.scored[name]
        if name not in BOOSTERS:
            BOOSTERS[name] = lightgbm.Booster(model_str=served.scorer.model.text)  # type: ignore[union-attr]
        inputs = desk.models.inputs(row, name)[None, :]
        parts = BOOSTERS[name].predict(inputs, pred_contrib=True, num_threads=1)[0]
        groups: dict[str, float] = {}
        for feature, part in zip(served.scorer.spec.names, parts[:-1].tolist(), strict=True):
            group = served.scorer.groups[feature]
            groups[group] = groups.get(group, 0.0) + part
        worded = [
            templates().reason(choice.group, choice.direction, "patient").reason()
            for choice in choose(groups, served.used_groups)
        ]
        found.append({"task": name, "margin": float(parts.sum()), "reasons": worded})
    return packed({"decisions": found})


ADDED = tuple(
    Route("POST", f"/bench/{name}", "score", handler, name, ScoreRequest)
    for name, handler in (("empty", empty), ("score", scored), ("contrib", contributed))
)
open_journal()
app = application(Desk(Path(os.environ[HOME]), Clock.at(os.environ.get(CLOCK))), (*ROUTES, *ADDED))


@bentoml.service(metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Bare:
    """Served as `serving.service` serves the application."""


Bare.mount_asgi_app(app, path="/")
Bare.add_asgi_middleware(Front, app=app)
