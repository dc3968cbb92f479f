"""What only the simulator knows: probabilities at landmarks, tastes, and who is frail."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulation.chunk import Chunk
from simulation.content import FORMATS, TOPICS
from simulation.illness import DISEASES
from simulation.tastes import Tastes

HORIZONS = {12: 365, 36: 1095, 60: 1825}  # months: days
WASHOUT = 30  # days
MOMENT = pa.timestamp("us", tz="UTC")
NODES = 8  # of the midpoint rule over the days by which an onset is dated back


def truth(chunk: Chunk, taste: Tastes) -> dict[str, pa.Table]:
    """Return the truth by file name, for the patients followed at each landmark.

    A landmark is the last instant of a calendar month in Asia/Shanghai (what ``--at`` of that
    day means), within the records. A horizon has a truth at the landmarks from which the latent path
    covers it: 12 months at all, 36 and 60 where the records are long enough.
    """
    tables = {"churn_90d": _silence(chunk)}
    grid = chunk.grid
    for months, days in HORIZONS.items():
        covered = grid.edges[grid.landmarks + 1] + days + chunk.setting.backdated_days <= grid.edges[-1]
        for index, disease in enumerate(DISEASES if covered.any() else ()):
            tables[f"{disease.name}_{months}m"] = _incidence(chunk, index, days, grid.landmarks[covered])
    return tables | {"tastes": _tastes(chunk, taste), "patients": _patients(chunk)}


def _followed(chunk: Chunk, cell: int) -> np.ndarray:
    """Patients registered, alive and in care at the end of a cell."""
    everyone, after = np.arange(len(chunk.people)), chunk.grid.edges[cell + 1]
    return (chunk.people.registered < after) & chunk.standing.followed(everyone, np.full(len(everyone), after))


def _table(chunk: Chunk, parts: list[tuple[int, np.ndarray, np.ndarray]]) -> pa.Table:
    """Rows of (cell, patients, probability) as patient_id, at, probability."""
    patient = np.concatenate([rows for _, rows, _ in parts])
    at = np.concatenate([np.full(len(rows), chunk.grid.at(cell)) for cell, rows, _ in parts])
    return pa.table(
        {
            "patient_id": pc.take(chunk.ids, pa.array(patient)),
            "at": pa.array(at).cast(MOMENT),
            "probability": pa.array(np.concatenate([values for *_, values in parts])),
        }
    )


def _silence(chunk: Chunk) -> pa.Table:
    """No finished contact in (at, at + 90 d], given the latent path, were the patient followed."""
    parts = []
    for cell, values in chunk.visits.silence.items():
        rows = np.flatnonzero(_followed(chunk, cell))
        parts.append((cell, rows, values[rows]))
    return _table(chunk, parts)


def _incidence(chunk: Chunk, index: int, horizon: int, landmarks: np.ndarray) -> pa.Table:
    """First diagnosis with its stated onset in (at + 30 d, at + horizon], given the latent path.

    For who does not have the disease at the landmark: neither found nor with an onset that will
    be dated before it. The visit V comes by its hazard, the onset is V less L days, and L is
    known in law: P = E[S(30 + L) - S(horizon + L)] / E[S(L)] with S the survival of V from the
    landmark.
    """
    grid, sick, setting = chunk.grid, chunk.illness, chunk.setting
    total = sick.cumulated[index]
    lags = np.ceil((np.arange(NODES) + 0.5) / NODES * setting.backdated_days)
    weights = np.r_[1 - setting.backdated_share, np.full(NODES, setting.backdated_share / NODES)]
    lags = np.r_[0.0, lags]

    def survival(start: int, days: float) -> np.ndarray:
        """P(V later than so many days after the day ``start``): linear between the edges of months."""
        day = start + days
        cell = int(grid.cell(np.array(day)))
        share = (day - grid.edges[cell]) / grid.days[cell]
        return np.exp(-(total[:, cell] + share * (total[:, cell + 1] - total[:, cell]) - total[:, begin]))

    parts = []
    for cell in landmarks:
        begin, start = cell + 1, int(grid.edges[cell + 1])
        inside, free = np.zeros(len(chunk.people)), np.zeros(len(chunk.people))
        for weight, lag in zip(weights, lags):
            inside += weight * (survival(start, WASHOUT + lag) - survival(start, horizon + lag))
            free += weight * survival(start, lag)
        without = ~sick.present[:, index] & (sick.onset[:, index] >= start)
        rows = np.flatnonzero(without & _followed(chunk, cell))
        parts.append((int(cell), rows, (inside / free)[rows]))
    return _table(chunk, parts)


def _tastes(chunk: Chunk, taste: Tastes) -> pa.Table:
    """Log-odds of each topic (``topic_``) and format (``format_``); known diseases add to them."""
    columns: dict[str, pa.Array] = {"patient_id": chunk.ids}
    columns |= {f"topic_{topic.name}": pa.array(taste.topics[:, i]) for i, topic in enumerate(TOPICS)}
    return pa.table(columns | {f"format_{name}": pa.array(taste.formats[:, i]) for i, name in enumerate(FORMATS)})


def _patients(chunk: Chunk) -> pa.Table:
    """Constant latent traits, and the latent values of the last month."""
    people, body, last = chunk.people, chunk.body, chunk.grid.live - 1
    columns = {
        "patient_id": chunk.ids,
        "frailty": pa.array(people.frailty),
        "engagement": pa.array(people.engagement),
        "gene_metabolic": pa.array(people.gene_metabolic),
        "gene_vascular": pa.array(people.gene_vascular),
        "pack_years": pa.array(people.pack_years),
    }
    for name in ("engagement", "glycaemia", "systolic", "ldl", "lung", "egfr", "bmi"):
        columns[f"{name}_last"] = pa.array(getattr(body, name)[:, last])
    return pa.table(columns)
