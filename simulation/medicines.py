"""Prescriptions and care plans: what is taken, until when it lasts, when the next step falls due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from simulation.bedside import Bedside, bedside
from simulation.chunk import Chunk
from simulation.grid import DAY
from simulation.illness import DISEASES, NEVER
from simulation.rows import ABSENT, Rows, Words
from simulation.sheet import HOUR, PHARMACY, Sheet


@dataclass(frozen=True)
class Drug:
    """A medicine: its ATC code, for which diseases, the share of patients who get it, units a day."""

    code: str
    zh: str
    diseases: tuple[str, ...]
    share: float
    daily: float = 1.0


DRUGS: tuple[Drug, ...] = (
    Drug("A10BA02", "二甲双胍", ("diabetes",), 0.85, 2.0),
    Drug("A10BD07", "西格列汀二甲双胍", ("diabetes",), 0.2, 2.0),
    Drug("A10AE04", "甘精胰岛素", ("diabetes",), 0.12, 0.5),
    Drug("C08CA01", "氨氯地平", ("hypertension",), 0.6),
    Drug("C09AA05", "雷米普利", ("hypertension", "heart_failure"), 0.5),
    Drug("C10AA05", "阿托伐他汀", ("dyslipidaemia", "coronary_heart_disease", "stroke"), 0.8),
    Drug("B01AC06", "阿司匹林", ("coronary_heart_disease", "stroke"), 0.8),
    Drug("R03BB04", "噻托溴铵", ("copd",), 0.75),
)
ANTIBIOTIC = ("J01CA04", "阿莫西林")


def prescriptions(chunk: Chunk, sheet: Sheet) -> pa.Table:
    """Write each fill of each long-term medicine, and short courses for acute infections."""
    rows, rng = Rows(chunk, "prescriptions"), chunk.rng("prescriptions")
    log = chunk.visits.fills
    visit = sheet.at(log["patient"], log["day"])
    kept = visit >= 0
    patient, day, visit = log["patient"][kept], log["day"][kept], visit[kept]
    there = bedside(chunk, patient, day)
    for drug in DRUGS:
        given = rng.random(len(chunk.people)) < drug.share
        chosen = np.flatnonzero(_needs(there, drug) & given[patient] & (rng.random(len(patient)) < 0.95))
        source = np.where(sheet.kind[visit[chosen]] == PHARMACY, 1, 0)
        _fill(rows, sheet, visit[chosen], chunk.people.supply[patient[chosen]] * 1.0, drug, source, rng)
    ill = np.flatnonzero(np.isin(sheet.complaint, (0, 3)) & (rng.random(len(sheet.patient)) < 0.3))
    course = Drug(*ANTIBIOTIC, (), 1.0, 3.0)
    _fill(rows, sheet, ill, rng.integers(5, 8, len(ill)) * 1.0, course, np.zeros(len(ill), int), rng)
    return rows.table()


def _needs(there: Bedside, drug: Drug) -> np.ndarray:
    needed = np.zeros(len(there.age), bool)
    for name in drug.diseases:
        needed |= there.has[name]
    return needed


def _fill(
    rows: Rows,
    sheet: Sheet,
    visit: np.ndarray,
    days: np.ndarray,
    drug: Drug,
    source: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Rows of one medicine; a few are entered with the wrong supply and corrected, or retracted."""
    setting = rows.chunk.setting
    time = sheet.time[visit] + HOUR // 5
    known = time + (rng.uniform(0.1, 2.0, len(visit)) * HOUR).astype(np.int64)
    draw = rng.random(len(visit))
    wrong = np.flatnonzero(draw < setting.correction_rate / 2)
    void = np.flatnonzero(draw > 1 - setting.void_rate / 2)
    first = days.copy()
    first[wrong] = 7.0

    def add(
        chosen: np.ndarray, known: np.ndarray, serial: np.ndarray | None, supply: np.ndarray, version: int, void: bool
    ) -> np.ndarray:
        return rows.add(
            sheet.patient[visit[chosen]],
            time[chosen],
            known,
            serial,
            version=version,
            void=void,
            source=Words(("emr", "pharmacy"), source[chosen]),
            code_system="ATC",
            code=drug.code,
            display=drug.zh,
            days_supply=supply,
            quantity=supply * drug.daily,
        )

    serial = add(np.arange(len(visit)), known, None, first, 1, False)
    for chosen, cancels in ((wrong, False), (void, True)):
        found_out = known[chosen] + (rng.uniform(0.5, 8, len(chosen)) * DAY).astype(np.int64)
        add(chosen, found_out, serial[chosen], days[chosen], 2, cancels)


def care_plans(chunk: Chunk) -> pa.Table:
    """Write one plan a managed patient; each new date of its next step is a version."""
    rows, rng = Rows(chunk, "care_plans"), chunk.rng("care_plans")
    log, grid = chunk.visits.steps, chunk.grid
    order = np.lexsort((log["day"], log["patient"]))
    patient, day, due = (log[name][order] for name in ("patient", "day", "due"))
    if not len(patient):
        return rows.table()
    begins = np.r_[True, patient[1:] != patient[:-1]]
    first = np.maximum.accumulate(np.where(begins, np.arange(len(patient)), 0))
    version = np.arange(len(patient)) - first + 1
    recorded = chunk.visits.recorded
    kind = Words(tuple(each.zh + "随访" for each in DISEASES), np.argmin(recorded[patient], axis=1))
    start = grid.micros(day[first], 9 * 3600)
    known = grid.micros(day, rng.uniform(14, 20, len(day)) * 3600)
    plan: dict[str, Any] = {"kind": kind, "start": start, "source": "crm"}
    rows.add(patient, start, known, patient, version=version, next_due=grid.micros(due, 0), **plan)
    final = np.flatnonzero(np.r_[begins[1:], True])
    over = np.minimum(chunk.standing.gone, chunk.standing.death)[patient[final]]
    ends = final[(over < NEVER) & (over > day[final]) & (over < grid.end)]
    last = np.minimum(chunk.standing.gone, chunk.standing.death)[patient[ends]]
    rows.add(
        patient[ends],
        start[ends],
        grid.micros(last, 18 * 3600) + (rng.exponential(15, len(ends)) * DAY).astype(np.int64),
        patient[ends],
        version=version[ends] + 1,
        kind=Words(kind.values, kind.index[ends]),
        start=start[ends],
        end=grid.micros(last, 0),
        next_due=np.full(len(ends), ABSENT),
        source="crm",
    )
    return rows.table()
