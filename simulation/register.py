"""The register: patients, relatives' diseases, standing, and since when each table is watched."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.schema import EVENT_TABLES, table
from simulation.chunk import Chunk
from simulation.grid import DAY
from simulation.rows import ABSENT, Rows, Words
from simulation.standing import LEAVING

REGIONS = ("110101", "110102", "110105", "110106", "110107", "110108", "110109", "110111", "110112", "110113",
           "110114", "110115", "110116", "110117", "110118", "110119")  # fmt: skip
NEARNESS = np.array([8, 9, 26, 14, 5, 12, 1, 3, 7, 3, 5, 4, 1, 1, 0.7, 0.3]) / 100.0
INSURANCE = ("employee", "resident", "commercial", "self_pay")
RELATIONS = ("father", "mother", "sibling")
INHERITED = (("E11.9", "2型糖尿病"), ("I10", "原发性高血压"), ("I25.1", "冠心病"), ("I63.9", "脑梗死"))
ONLINE_TABLES = ("interactions", "impressions")


def registered_at(chunk: Chunk) -> np.ndarray:
    """UTC microseconds of each patient's registration: early on the day of the first visit."""
    return chunk.grid.micros(chunk.people.registered, 7.5 * 3600)


def patients(chunk: Chunk) -> pa.Table:
    """One event a patient: registration; a move or a correction, and a death, are later versions."""
    rows, rng, people, grid = Rows(chunk, "patients"), chunk.rng("register"), chunk.people, chunk.grid
    count = len(people)
    everyone = np.arange(count)
    at = registered_at(chunk)
    sex = np.where(rng.random(count) < 0.003, 2, people.male * 1)
    region = rng.choice(len(REGIONS), count, p=NEARNESS / NEARNESS.sum())
    kind = np.where((grid.end - people.birth) / 365.25 < 18, 1, rng.choice(4, count, p=[0.58, 0.3, 0.05, 0.07]))
    birth = grid.micros(people.birth, 0)

    def add(
        chosen: np.ndarray, known: np.ndarray, version: np.ndarray | int, born: np.ndarray, died: np.ndarray
    ) -> None:
        rows.add(
            chosen,
            at[chosen],
            known,
            chosen,
            version=version,
            source="his",
            birth_date=born,
            sex=Words(("female", "male", "unknown"), sex[chosen]),
            region_code=Words(REGIONS, region[chosen]),
            insurance=Words(INSURANCE, kind[chosen]),
            registered_at=at[chosen],
            deceased_at=died,
        )

    alive = np.full(count, ABSENT)
    wrong = np.flatnonzero(rng.random(count) < chunk.setting.correction_rate / 2)
    told = birth.copy()
    told[wrong] -= 10 * 365 * DAY
    add(everyone, at, 1, told, alive)
    version = np.ones(count, np.int64)
    found_out = at[wrong] + (rng.uniform(1, 60, len(wrong)) * DAY).astype(np.int64)
    version[wrong] = 2
    add(wrong, found_out, 2, birth[wrong], alive[wrong])
    dead = np.flatnonzero(chunk.standing.death < grid.end)
    died = grid.micros(chunk.standing.death[dead], rng.uniform(0, 86_000, len(dead)))
    heard = died + (rng.exponential(12.0, len(dead)) * DAY).astype(np.int64)
    add(dead, np.maximum(heard, at[dead] + 61 * DAY), version[dead] + 1, birth[dead], died)
    return rows.table()


def family_history(chunk: Chunk) -> pa.Table:
    """Relatives' diseases as told at registration or later: likelier where the genes are, and often forgotten."""
    rows, rng, people = Rows(chunk, "family_history"), chunk.rng("family"), chunk.people
    begin = np.maximum(registered_at(chunk), chunk.grid.micros(chunk.grid.start - 700, 0))
    genes = (people.gene_metabolic, people.gene_vascular, people.gene_vascular, people.gene_vascular)
    for (code, zh), gene, base in zip(INHERITED, genes, (-2.1, -1.6, -2.6, -2.7)):
        tells = rng.random(len(people)) < 0.8 / (1 + np.exp(-(base + 1.1 * gene)))
        patient = np.flatnonzero(tells)
        wait = np.where(rng.random(len(patient)) < 0.7, 1.0 / 24, rng.exponential(200.0, len(patient)))
        time = begin[patient] + (wait * DAY).astype(np.int64)
        relation = Words(RELATIONS, rng.integers(0, 3, len(patient)))
        rows.add(patient, time, time, code_system="ICD-10", code=code, display=zh, relation=relation, source="emr")
    return rows.table()


def status_changes(chunk: Chunk) -> pa.Table:
    """Leaving and coming back; the hospital hears of it days to weeks later."""
    rows, rng, stays, grid = Rows(chunk, "status_changes"), chunk.rng("standing table"), chunk.standing, chunk.grid
    gone, back = np.flatnonzero(stays.gone < grid.end), np.flatnonzero(stays.back < grid.end)
    for patient, day, kind in (
        (gone, stays.gone[gone], Words(LEAVING, stays.kind[gone])),
        (back, stays.back[back], "back"),
    ):
        time = grid.micros(day, 10 * 3600)
        mean = 14.0 if isinstance(kind, Words) else 1.0
        known = time + (rng.exponential(mean, len(patient)) * DAY).astype(np.int64)
        rows.add(patient, time, known, kind=kind, source="crm")
    return rows.table()


def observed(chunk: Chunk) -> pa.Table:
    """Since when each table is watched: the records' first day, or registration; on line only who is there."""
    grid, people = chunk.grid, chunk.people
    start = np.maximum(grid.micros(grid.start, 0), registered_at(chunk))
    here = people.registered < grid.end
    parts = []
    for name in EVENT_TABLES:
        chosen = np.flatnonzero(here & people.online if name in ONLINE_TABLES else here)
        moments = pa.array(start[chosen]).cast(pa.timestamp("us", tz="UTC"))
        parts.append(
            pa.table(
                {
                    "patient_id": pc.take(chunk.ids, pa.array(chosen)),
                    "table": pa.repeat(pa.scalar(name), len(chosen)),
                    "start": moments,
                    "end": pa.nulls(len(chosen), pa.timestamp("us", tz="UTC")),
                }
            )
        )
    return pa.concat_tables(parts).select(table("observed").names)
