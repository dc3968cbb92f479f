"""Consents: one a purpose, asked for apart or bundled, kept or withdrawn, with a say on automated decisions."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulation.chunk import Chunk, generator
from simulation.grid import DAY
from simulation.register import registered_at
from simulation.rows import ABSENT, Rows, Words

PURPOSES = (
    "care_followup", "screening_invitation", "health_education", "service_marketing", "self_test", "model_development",
)  # fmt: skip
RATES = (0.93, 0.82, 0.87, 0.42, 0.6, 0.85)
METHODS = ("app", "paper", "counter_tablet")
CATEGORIES = ["clinical", "behaviour", "contact"]
BUNDLED, WITHDRAWN, OBJECTED = 0.04, 0.05, 0.03
NOTICES = ("2023-1", "2024-1")


def agreed(chunk: Chunk) -> np.ndarray:
    """Whether each patient gave consent for each purpose: (patients, purposes), bool."""
    rng = generator(chunk.seed, chunk.number, "consent")
    trusting = 0.5 * chunk.people.engagement[:, None] + rng.normal(0, 0.8, (len(chunk.people), 1))
    log_odds = np.log(np.array(RATES) / (1 - np.array(RATES)))[None, :] * 1.15 + trusting
    return rng.random((len(chunk.people), len(PURPOSES))) < 1 / (1 + np.exp(-log_odds))


def consents(chunk: Chunk) -> pa.Table:
    """Write the consents and their withdrawals (a later version)."""
    rows, rng, people, grid = Rows(chunk, "consents"), chunk.rng("consents"), chunk.people, chunk.grid
    patient, which = np.nonzero(agreed(chunk))
    count = len(people)
    at = registered_at(chunk)[patient] + (rng.exponential(20.0, count)[patient] * DAY).astype(np.int64)
    bundled = (rng.random(count) < BUNDLED)[patient]
    objected = (rng.random(count) < OBJECTED)[patient]
    minor = (at - grid.micros(people.birth[patient], 0)) < 14 * 365.25 * DAY
    notice = (at > grid.micros(grid.start - 180, 0)).astype(np.int64)
    seconds = (rng.random(len(patient)) * 600e6).astype(np.int64) * ~bundled
    granted = at + seconds
    digits = pa.array(np.where(bundled, patient * 10 + 9, patient * 10 + which)).cast(pa.string())
    evidence = pc.binary_join_element_wise(pa.scalar(f"form-{chunk.number}-"), digits, pa.scalar(""))
    method = np.where(people.online[patient], rng.choice(3, len(patient), p=[0.6, 0.2, 0.2]), 1)

    def add(
        chosen: np.ndarray, known: np.ndarray, serial: np.ndarray | None, version: int, until: np.ndarray
    ) -> np.ndarray:
        return rows.add(
            patient[chosen],
            granted[chosen],
            known,
            serial,
            version=version,
            source="crm",
            purpose=Words(PURPOSES, which[chosen]),
            basis="consent",
            categories=pa.array([CATEGORIES] * len(chosen), pa.list_(pa.string())),
            granted_at=granted[chosen],
            withdrawn_at=until,
            method=Words(METHODS, method[chosen]),
            evidence_ref=pc.take(evidence, pa.array(chosen)),
            notice_version=Words(NOTICES, notice[chosen]),
            notice_hash=Words(tuple(hashlib.sha256(name.encode()).hexdigest() for name in NOTICES), notice[chosen]),
            separate=~bundled[chosen],
            guardian=minor[chosen],
            automated_decision=Words(("allowed", "objected"), objected[chosen] * 1),
        )

    everything = np.arange(len(patient))
    serial = add(everything, granted, None, 1, np.full(len(patient), ABSENT))
    ends = np.flatnonzero(rng.random(len(patient)) < WITHDRAWN)
    first = np.maximum(granted[ends] + DAY, grid.micros(grid.start, 0))
    until = (first + rng.random(len(ends)) * np.maximum(grid.closing - first, DAY)).astype(np.int64)
    add(ends, until, serial[ends], 2, until)
    return rows.table()
