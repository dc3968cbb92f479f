"""The table of diagnoses: onsets told late, codes repeated at visits, acute complaints, wrong codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulation.chunk import Chunk
from simulation.grid import DAY
from simulation.illness import DISEASES, NEVER
from simulation.rows import Rows, Words
from simulation.sheet import COMPLAINTS, HOUR, OUTPATIENT, Sheet

CODES = tuple(each.code for each in DISEASES) + tuple(code for code, *_ in COMPLAINTS)
DISPLAYS = tuple(each.zh for each in DISEASES) + tuple(zh for _, zh, _ in COMPLAINTS)
AMENDED = 0.35  # share of back-dated diagnoses first dated by the visit, the onset coming with a later version


def diagnoses(chunk: Chunk, sheet: Sheet) -> pa.Table:
    """Write first diagnoses at their stated onset, then what visits repeat, treat and mistake."""
    rows, rng = Rows(chunk, "diagnoses"), chunk.rng("diagnoses")
    _first(rows, chunk, sheet, rng)
    again = np.flatnonzero(sheet.disease >= 0)
    fresh = chunk.visits.recorded[sheet.patient[again], sheet.disease[again]] == sheet.day[again]
    again = again[~fresh]
    _coded(rows, sheet, again, sheet.disease[again], rng)
    acute = np.flatnonzero(sheet.complaint >= 0)
    _coded(rows, sheet, acute, len(DISEASES) + sheet.complaint[acute], rng)
    _mistaken(rows, chunk, sheet, rng)
    return rows.table()


def _shown(index: np.ndarray) -> dict[str, Any]:
    index = index.astype(np.int64)
    return {
        "code_system": "ICD-10",
        "code": Words(CODES, index),
        "display": Words(DISPLAYS, index),
        "source": "emr",
    }


def _coded(rows: Rows, sheet: Sheet, visit: np.ndarray, index: np.ndarray, rng: np.random.Generator) -> None:
    known = sheet.time[visit] + (rng.exponential(4.0, len(visit)) * HOUR).astype(np.int64) + HOUR // 4
    rows.add(sheet.patient[visit], sheet.time[visit], known, **_shown(index))


def _first(rows: Rows, chunk: Chunk, sheet: Sheet, rng: np.random.Generator) -> None:
    """The first record of each disease of each patient; some onsets are amended weeks later."""
    recorded, onset = chunk.visits.recorded, chunk.illness.onset
    patient, which = np.nonzero(recorded < min(NEVER, chunk.grid.end))
    day, begin = recorded[patient, which], onset[patient, which]
    visit = sheet.at(patient, day)
    seen = np.where(visit >= 0, sheet.time[visit], chunk.grid.micros(day, 10 * 3600))
    slow = np.where(rng.random(len(day)) < 0.1, rng.uniform(12, 96, len(day)), rng.exponential(3.0, len(day)))
    known = seen + (slow * HOUR).astype(np.int64) + HOUR // 4
    dated = np.where(begin < day, chunk.grid.micros(begin, 12 * 3600), seen)
    amended = (begin < day) & ~chunk.illness.present[patient, which] & (rng.random(len(day)) < AMENDED)
    serial = rows.add(patient, np.where(amended, seen, dated), known, **_shown(which))
    late = np.flatnonzero(amended)
    found_out = known[late] + (rng.uniform(5, 35, len(late)) * DAY).astype(np.int64)
    rows.add(patient[late], dated[late], found_out, serial[late], version=2, **_shown(which[late]))


def _mistaken(rows: Rows, chunk: Chunk, sheet: Sheet, rng: np.random.Generator) -> None:
    """A chronic code given to someone who does not have it, and retracted when found out."""
    chance = chunk.setting.void_rate * (sheet.kind == OUTPATIENT)
    wrong = np.flatnonzero(rng.random(len(chance)) < chance)
    which = rng.integers(0, len(DISEASES), len(wrong))
    known = sheet.time[wrong] + 2 * HOUR
    found_out = known + (rng.uniform(2, 60, len(wrong)) * DAY).astype(np.int64)
    free = (chunk.visits.recorded[sheet.patient[wrong], which] >= NEVER) & (found_out <= chunk.grid.closing)
    wrong, which, known, found_out = wrong[free], which[free], known[free], found_out[free]
    serial = rows.add(sheet.patient[wrong], sheet.time[wrong], known, **_shown(which))
    rows.add(sheet.patient[wrong], sheet.time[wrong], found_out, serial, version=2, void=True, **_shown(which))
