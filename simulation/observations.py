"""The table of observations: selective, noisy, late, sometimes corrected or retracted; and home devices."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulation.bedside import bedside
from simulation.chunk import Chunk
from simulation.grid import DAY
from simulation.panels import DIASTOLIC, FASTING, HEART_RATE, MEAL, PANELS, SYSTOLIC, Analyte, Panel
from simulation.rows import Rows, Words
from simulation.sheet import CHECK_UP, HOUR, INPATIENT, Sheet
from simulation.visits import DIAGNOSIS, REGISTRATION

SMOKING = ("Never smoker", "Former smoker", "Current every day smoker")
READINGS = 3.0  # home readings a month of a device's owner at average engagement


def observations(chunk: Chunk, sheet: Sheet) -> pa.Table:
    """Write what visits measured and what devices sent."""
    rows, rng = Rows(chunk, "observations"), chunk.rng("observations")
    visit = np.flatnonzero(sheet.in_person)
    for panel in PANELS:
        _panel(rows, chunk, sheet, visit, panel, rng)
    _answers(rows, chunk, sheet, visit, rng)
    _devices(rows, chunk, rng)
    return rows.table()


def _shown(analyte: Analyte, origin: str, source: str) -> dict[str, Any]:
    return {
        "code_system": "LOINC",
        "code": analyte.code,
        "display": analyte.zh,
        "unit": analyte.unit,
        "context": analyte.context,
        "origin": origin,
        "source": source,
    }


def _panel(rows: Rows, chunk: Chunk, sheet: Sheet, visit: np.ndarray, panel: Panel, rng: np.random.Generator) -> None:
    """Order a panel at some visits: more for the known ill, for who looks ill, for the engaged."""
    setting = chunk.setting
    there = bedside(chunk, sheet.patient[visit], sheet.day[visit])
    managed = np.zeros(len(visit), bool)
    for name in panel.diseases:
        managed |= there.has[name]
    chance = np.where(managed, panel.managed, panel.usual)
    chance = np.where(sheet.kind[visit] == INPATIENT, np.maximum(chance, 0.8 * panel.check_up), chance)
    chance = np.where(sheet.kind[visit] == CHECK_UP, panel.check_up, chance)
    pull = setting.test_sickness * np.clip(panel.sick(there), -2.5, 3.5) + 0.25 * there.engagement
    odds = setting.test_rate * chance / np.maximum(1 - chance, 1e-3) * np.exp(np.where(chance < 0.9, pull, 0.0))
    confirms = (
        (sheet.cause[visit] == DIAGNOSIS) & (sheet.disease[visit] == 0) & (panel.name in ("hba1c", "fasting glucose"))
    )
    taken = np.flatnonzero((rng.random(len(visit)) < odds / (1 + odds)) | confirms)
    chosen = visit[taken]
    there = bedside(chunk, sheet.patient[chosen], sheet.day[chosen])
    time = sheet.time[chosen] + (rng.uniform(0.05, 0.8, len(chosen)) * HOUR).astype(np.int64)
    wait = panel.hours * rng.uniform(0.5, 1.5, len(chosen))
    if panel.slow:
        wait = wait + 24 * rng.exponential(setting.late_result_days, len(chosen))
    known = time + (wait * HOUR).astype(np.int64)
    for analyte in panel.analytes:
        value = np.round(analyte.read(there, rng.normal(size=len(chosen))), analyte.decimals)
        shown = _shown(analyte, panel.origin, "lis" if panel.origin == "laboratory" else "emr")
        draw = rng.random(len(chosen))
        wrong = np.flatnonzero(draw < setting.correction_rate)
        void = np.flatnonzero(draw > 1 - setting.void_rate)
        first = value.copy()
        first[wrong] = np.round(first[wrong] * rng.uniform(1.15, 1.5, len(wrong)), analyte.decimals)
        serial = rows.add(sheet.patient[chosen], time, known, value=first, **shown)
        for which, cancels in ((wrong, False), (void, True)):
            found_out = known[which] + (rng.uniform(0.5, 12, len(which)) * DAY).astype(np.int64)
            rows.add(
                sheet.patient[chosen[which]],
                time[which],
                found_out,
                serial[which],
                version=2,
                void=cancels,
                value=value[which],
                **shown,
            )


def _answers(rows: Rows, chunk: Chunk, sheet: Sheet, visit: np.ndarray, rng: np.random.Generator) -> None:
    """Smoking as told, and height, at registration and now and then."""
    people = chunk.people
    chance = np.where(sheet.cause[visit] == REGISTRATION, 0.7, np.where(sheet.kind[visit] == CHECK_UP, 0.5, 0.06))
    asked = visit[
        (rng.random(len(visit)) < chance) & (chunk.people.birth[sheet.patient[visit]] < sheet.day[visit] - 15 * 365)
    ]
    patient = sheet.patient[asked]
    status = np.where(people.smokes[patient], 2, np.where(people.smoked[patient], 1, 0))
    denied = (status == 2) & (rng.random(len(asked)) < 0.12)
    status = np.where(denied, np.where(rng.random(len(asked)) < 0.5, 0, 1), status)
    rows.add(
        patient,
        sheet.time[asked],
        sheet.time[asked] + HOUR // 4,
        code_system="LOINC",
        code="72166-2",
        display="吸烟状况",
        text=Words(SMOKING, status),
        origin="patient",
        source="emr",
    )
    there = bedside(chunk, patient, sheet.day[asked])
    rows.add(
        patient,
        sheet.time[asked],
        sheet.time[asked] + HOUR // 4,
        code_system="LOINC",
        code="8302-2",
        display="身高",
        value=np.round(there.height, 0),
        unit="cm",
        origin="clinic",
        source="emr",
    )


def _devices(rows: Rows, chunk: Chunk, rng: np.random.Generator) -> None:
    """Home readings: as many as engagement brings, sent at once or when the phone next syncs."""
    grid, people = chunk.grid, chunk.people
    owners = np.flatnonzero(people.device)
    cells = np.arange(grid.live)
    rate = READINGS * np.exp(0.7 * chunk.body.engagement[owners][:, cells])
    counts = rng.poisson(np.minimum(rate, 30.0))
    which, cell = np.nonzero(counts)
    times = counts[which, cell]
    patient, cell = np.repeat(owners[which], times), np.repeat(cell, times)
    day = grid.edges[cell] + np.floor(rng.random(len(cell)) * grid.days[cell]).astype(np.int64)
    valid = (day >= np.maximum(people.registered[patient] + 7, grid.start)) & (day < grid.end)
    valid &= chunk.standing.followed(patient, day)
    patient, day = patient[valid], day[valid]
    there = bedside(chunk, patient, day)
    time = grid.micros(day, 86_000 * rng.beta(3, 3, len(day)))
    delay = np.where(rng.random(len(day)) < 0.6, rng.uniform(0.02, 0.3, len(day)), rng.exponential(72.0, len(day)))
    known = time + (delay * HOUR).astype(np.int64)
    glucose = there.has["diabetes"] & (rng.random(len(day)) < 0.6)
    meal = rng.random(len(day)) < 0.4
    for chosen, analytes in (
        (np.flatnonzero(~glucose), (SYSTOLIC, DIASTOLIC, HEART_RATE)),
        (np.flatnonzero(glucose & ~meal), (FASTING,)),
        (np.flatnonzero(glucose & meal), (MEAL,)),
    ):
        here = bedside(chunk, patient[chosen], day[chosen])
        for analyte in analytes:
            value = np.round(analyte.read(here, rng.normal(size=len(chosen))), analyte.decimals)
            rows.add(patient[chosen], time[chosen], known[chosen], value=value, **_shown(analyte, "device", "device"))
