"""What the hospital sends, and what patients say of it: contacts with their statuses, feedback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulation.chunk import Chunk
from simulation.consent import PURPOSES, agreed
from simulation.habit import sigmoid
from simulation.online import Lists, list_ids
from simulation.rows import Rows, Words, taken
from simulation.sheet import HOUR, Sheet
from simulation.visits import CALL

CHANNELS = ("phone", "wechat", "sms", "app")
DIMENSIONS = ("nps", "doctor", "waiting", "content")


def pushed(chunk: Chunk) -> Lists:
    """Draw the lists that the education campaign sends to who agreed to it, at most one in most months."""
    rng, grid = chunk.rng("pushed"), chunk.grid
    allowed = chunk.people.online & agreed(chunk)[:, PURPOSES.index("health_education")]
    who, cell = np.nonzero((rng.random((len(chunk.people), grid.live)) < 0.1) & allowed[:, None])
    day = grid.edges[cell] + rng.integers(0, 28, len(cell))
    kept = (day >= np.maximum(grid.start, chunk.people.registered[who] + 7)) & (day < grid.end)
    kept &= chunk.standing.followed(who, day)
    time = grid.micros(day[kept], rng.uniform(18, 21, kept.sum()) * 3600)
    who, day = who[kept], day[kept]
    seen = rng.random(len(who)) < sigmoid(-0.2 + 0.9 * chunk.latent(chunk.body.engagement, who, day))
    return Lists(who, day, time, np.full(len(who), 2), list_ids("push", chunk, len(who)), seen)


def contacts(chunk: Chunk, sheet: Sheet, sent: Lists) -> pa.Table:
    """Write reminders to come back, reminders of refills, and lists sent; a status a version."""
    rows, rng, grid = Rows(chunk, "contacts"), chunk.rng("outreach"), chunk.grid
    log = chunk.visits.calls
    kept = log["day"] >= grid.start
    patient, day, answered, spoken = (log[name][kept] for name in ("patient", "day", "answered", "spoken"))
    visit = sheet.at(patient, day)
    came = answered & (visit >= 0) & (sheet.cause[visit] == CALL)
    time = np.where(came, sheet.time[visit], grid.micros(day, rng.uniform(9, 17, len(day)) * 3600)) - 2 * HOUR
    read = came | _reads(chunk, patient, day, rng)
    arm = Words(("message", "call"), spoken * 1)
    reminder: dict[str, Any] = {"campaign": "revisit_reminder", "channel": Words(CHANNELS, np.where(spoken, 0, 1))}
    _write(rows, patient, time, read, came, rng, reminder | {"arm": arm, "propensity": 0.5})
    fills = chunk.visits.fills
    due = fills["day"] + chunk.people.supply[fills["patient"]] - 3
    chosen = np.flatnonzero((rng.random(len(due)) < 0.2) & (due >= grid.start) & (due < grid.end))
    chosen = chosen[chunk.standing.followed(fills["patient"][chosen], due[chosen])]
    patient, day = fills["patient"][chosen], due[chosen]
    time = grid.micros(day, rng.uniform(9, 11, len(day)) * 3600)
    refill: dict[str, Any] = {
        "campaign": "refill_reminder",
        "channel": Words(CHANNELS, np.where(chunk.people.online[patient], 1, 2)),
    }
    _write(rows, patient, time, _reads(chunk, patient, day, rng), np.zeros(len(day), bool), rng, refill)
    lists: dict[str, Any] = {"campaign": "health_education", "channel": "wechat", "list_id": sent.ids}
    _write(rows, sent.patient, sent.time - HOUR, sent.seen, np.zeros(len(sent.day), bool), rng, lists)
    return rows.table()


def _reads(chunk: Chunk, patient: np.ndarray, day: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(len(patient)) < sigmoid(-0.2 + 0.9 * chunk.latent(chunk.body.engagement, patient, day))


def _write(
    rows: Rows,
    patient: np.ndarray,
    time: np.ndarray,
    read: np.ndarray,
    answered: np.ndarray,
    rng: np.random.Generator,
    shown: dict[str, Any],
) -> None:
    """Queued, sent, delivered or failed, then perhaps read, and replied or refused: a version each."""
    count = len(patient)
    failed = ~read & (rng.random(count) < 0.06)
    refused = read & ~answered & (rng.random(count) < 0.02)
    replied = answered | (read & ~refused & (rng.random(count) < 0.1))
    serial = rows.serials(count)
    contact = list_ids(str(shown["campaign"]), rows.chunk, count)
    version, known = np.zeros(count, np.int64), time.copy()
    for status, reached, hours in (
        ("queued", None, 0.0),
        ("sent", None, 0.3),
        ("failed", failed, 0.1),
        ("delivered", ~failed, 0.05),
        ("read", read, 1.0),
        ("refused", refused, 0.1),
        ("replied", replied, 0.2),
    ):
        which = np.arange(count) if reached is None else np.flatnonzero(reached)
        version[which] += 1
        known[which] += (hours * rng.exponential(1.0, len(which)) * HOUR).astype(np.int64) + (status != "queued")
        part: dict[str, Any] = {name: taken(value, which) for name, value in shown.items()}
        rows.add(
            patient[which],
            time[which],
            known[which],
            serial[which],
            version=version[which],
            contact_id=taken(contact, which),
            status=status,
            source="crm",
            **part,
        )


def feedback(chunk: Chunk, sheet: Sheet) -> pa.Table:
    """Write ratings after some visits: the disengaged say less, and less kindly."""
    rows, rng = Rows(chunk, "feedback"), chunk.rng("feedback")
    engaged = chunk.latent(chunk.body.engagement, sheet.patient, sheet.day)
    given = np.flatnonzero(rng.random(len(engaged)) < 0.08 * sigmoid(0.5 + engaged))
    rating = np.clip(np.round(7.6 + 1.3 * engaged[given] + 1.6 * rng.normal(size=len(given))), 0, 10)
    time = sheet.end[given] + (rng.exponential(20.0, len(given)) * HOUR).astype(np.int64)
    dimension = Words(DIMENSIONS, rng.choice(4, len(given), p=[0.5, 0.25, 0.15, 0.1]))
    rows.add(sheet.patient[given], time, time, rating=rating, dimension=dimension, source="app")
    return rows.table()
