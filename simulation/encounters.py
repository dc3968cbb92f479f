"""The table of encounters: walk-ins, stays, bookings with their late cancellations, slips of the desk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from simulation.chunk import Chunk
from simulation.grid import DAY
from simulation.rows import Rows, Words
from simulation.sheet import DEPARTMENTS, EMERGENCY, HOUR, INPATIENT, KINDS, ONLINE, OUTPATIENT, Sheet
from simulation.visits import BOOKED, CANCELLED, HONOURED, MISSED

FEES = np.array([260.0, 900.0, 9000.0, 40.0, 180.0, 0.0, 650.0, 150.0])  # CNY, medians by kind
FINISHED, PLANNED, PROGRESS, CALLED_OFF, NO_SHOW = "finished", "planned", "in_progress", "cancelled", "no_show"
SLIPPED = 0.2  # share of missed bookings that the desk first closes as finished


def encounters(chunk: Chunk, sheet: Sheet) -> pa.Table:
    """Write every booking and contact, each change of its status as a version."""
    rows = Rows(chunk, "encounters")
    rng = chunk.rng("encounters")
    fee = np.round(FEES[sheet.kind] * np.exp(rng.normal(0, 0.5, len(sheet.kind))), 2)
    lag = (rng.exponential(3.0, len(fee)) * HOUR).astype(np.int64) + HOUR // 6
    _walk_ins(rows, sheet, fee, lag, rng)
    _bookings(rows, chunk, sheet, fee, lag, rng)
    _called_off(rows, chunk, rng)
    _duplicates(rows, chunk, sheet, rng)
    return rows.table()


def _particulars(sheet: Sheet, chosen: np.ndarray) -> dict[str, Any]:
    return {
        "kind": Words(KINDS, sheet.kind[chosen]),
        "department": Words(DEPARTMENTS, sheet.department[chosen]),
        "source": "his",
    }


def _walk_ins(rows: Rows, sheet: Sheet, fee: np.ndarray, lag: np.ndarray, rng: np.random.Generator) -> None:
    """One version when over; a stay is first in progress; some fees are corrected at settlement."""
    stays = np.flatnonzero((sheet.kind == INPATIENT) & (sheet.cause != BOOKED))
    stay = rows.add(
        sheet.patient[stays], sheet.time[stays], sheet.time[stays] + HOUR, status=PROGRESS, **_particulars(sheet, stays)
    )
    rest = np.flatnonzero((sheet.kind != INPATIENT) & (sheet.cause != BOOKED))
    for chosen, serial, version in ((stays, stay, 2), (rest, rows.serials(len(rest)), 1)):
        wrong = np.flatnonzero(rng.random(len(chosen)) < rows.chunk.setting.correction_rate)
        first = fee[chosen].copy()
        first[wrong] *= 1.5
        known = sheet.end[chosen] + lag[chosen]
        shown: dict[str, Any] = {"end": sheet.end[chosen], "status": FINISHED, **_particulars(sheet, chosen)}
        rows.add(sheet.patient[chosen], sheet.time[chosen], known, serial, version=version, fee=first, **shown)
        late = chosen[wrong]
        rows.add(
            sheet.patient[late],
            sheet.time[late],
            known[wrong] + rng.integers(1, 15, len(late)) * DAY,
            serial[wrong],
            version=version + 1,
            fee=fee[late],
            end=sheet.end[late],
            status=FINISHED,
            **_particulars(sheet, late),
        )


def _bookings(
    rows: Rows, chunk: Chunk, sheet: Sheet, fee: np.ndarray, lag: np.ndarray, rng: np.random.Generator
) -> None:
    log = chunk.visits.bookings
    kept = np.flatnonzero(log["day"] >= chunk.grid.start)
    patient, day, outcome = (log[name][kept] for name in ("patient", "day", "outcome"))
    booked = np.flatnonzero(sheet.cause == BOOKED)
    key, wanted = sheet.patient[booked] * 2**32 + sheet.day[booked], patient * 2**32 + day
    order = np.argsort(key)
    place = np.minimum(np.searchsorted(key[order], wanted), max(len(key) - 1, 0))
    came = outcome == HONOURED
    visit = np.where(came, booked[order][place] if len(booked) else -1, -1)
    made = chunk.grid.micros(log["made"][kept], rng.uniform(9, 17, len(kept)) * 3600)
    time = np.where(came, sheet.time[visit], chunk.grid.micros(day, rng.uniform(8, 16, len(kept)) * 3600))
    made = np.minimum(made, time - HOUR)
    kind = np.where(came, sheet.kind[visit], np.where(rng.random(len(kept)) < 0.12, ONLINE, OUTPATIENT))
    department = np.where(came, sheet.department[visit], len(DEPARTMENTS) - 1)

    def particulars(chosen: np.ndarray) -> dict[str, Any]:
        kinds, places = Words(KINDS, kind[chosen]), Words(DEPARTMENTS, department[chosen])
        return {"kind": kinds, "department": places, "source": "his"}

    serial = rows.add(patient, time, made, status=PLANNED, **particulars(np.arange(len(kept))))
    done = np.flatnonzero(came)
    rows.add(
        patient[done],
        time[done],
        sheet.end[visit[done]] + lag[visit[done]],
        serial[done],
        version=2,
        status=FINISHED,
        end=sheet.end[visit[done]],
        fee=fee[visit[done]],
        **particulars(done),
    )
    missed = np.flatnonzero(outcome == MISSED)
    slip = rng.random(len(missed)) < SLIPPED
    slipped = missed[slip]
    rows.add(
        patient[slipped],
        time[slipped],
        time[slipped] + 12 * HOUR,
        serial[slipped],
        version=2,
        status=FINISHED,
        end=time[slipped] + HOUR,
        **particulars(slipped),
    )
    found_out = np.where(slip, rng.integers(3, 21, len(missed)) * DAY, (rng.uniform(2, 30, len(missed)) * HOUR))
    rows.add(
        patient[missed],
        time[missed],
        time[missed] + found_out.astype(np.int64),
        serial[missed],
        version=np.where(slip, 3, 2),
        status=NO_SHOW,
        **particulars(missed),
    )
    off = np.flatnonzero(outcome == CANCELLED)
    rows.add(
        patient[off],
        time[off],
        _written_back(time[off], made[off], rng),
        serial[off],
        version=2,
        status=CALLED_OFF,
        **particulars(off),
    )


def _written_back(time: np.ndarray, made: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """When a cancellation is known: half of them ahead, the others only days after the time booked."""
    ahead = np.maximum(time - (rng.uniform(2, 120, len(time)) * HOUR).astype(np.int64), made + HOUR // 2)
    late = time + (rng.uniform(1, 20, len(time)) * DAY).astype(np.int64)
    return np.where(rng.random(len(time)) < 0.5, ahead, late)


def _called_off(rows: Rows, chunk: Chunk, rng: np.random.Generator) -> None:
    """Appointments that patients make and call off of themselves: they never come to anything."""
    months = (chunk.grid.end - chunk.grid.start) / 30
    patient = np.repeat(np.arange(len(chunk.people)), rng.poisson(0.015 * months, len(chunk.people)))
    day = rng.integers(chunk.grid.start, chunk.grid.end, len(patient))
    here = chunk.standing.followed(patient, day) & (chunk.people.registered[patient] < day - 15)
    patient, day = patient[here], day[here]
    time = chunk.grid.micros(day, rng.uniform(8, 16, len(day)) * 3600)
    made = time - (rng.uniform(1, 12, len(day)) * DAY).astype(np.int64)
    shown: dict[str, Any] = {"kind": "outpatient", "department": DEPARTMENTS[-1], "source": "his"}
    serial = rows.add(patient, time, made, status=PLANNED, **shown)
    rows.add(patient, time, _written_back(time, made, rng), serial, version=2, status=CALLED_OFF, **shown)


def _duplicates(rows: Rows, chunk: Chunk, sheet: Sheet, rng: np.random.Generator) -> None:
    """Registrations entered for the wrong person, retracted when found out."""
    wrong = np.flatnonzero(rng.random(len(sheet.patient)) < chunk.setting.void_rate / 2)
    patient = rng.integers(0, len(chunk.people), len(wrong))
    known = sheet.end[wrong] + HOUR
    found_out = known + (rng.uniform(1, 40, len(wrong)) * DAY).astype(np.int64)
    valid = (
        (found_out <= chunk.grid.closing)
        & chunk.standing.followed(patient, sheet.day[wrong])
        & (chunk.people.registered[patient] < sheet.day[wrong])
        & (sheet.kind[wrong] != EMERGENCY)
    )
    wrong, patient, known, found_out = wrong[valid], patient[valid], known[valid], found_out[valid]
    shown: dict[str, Any] = {
        "status": FINISHED,
        "end": sheet.end[wrong],
        "fee": FEES[sheet.kind[wrong]],
        **_particulars(sheet, wrong),
    }
    serial = rows.add(patient, sheet.time[wrong], known, **shown)
    rows.add(patient, sheet.time[wrong], found_out, serial, version=2, void=True, **shown)
