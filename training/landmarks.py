"""Landmarks: the month ends, or discharges, that a lake can be asked about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from features.errors import InputError
from features.instants import DAY, end_of_day, iso, moment
from features.params import general
from training.outcome import read_by
from training.records import NEVER, instants, told_until
from training.split import draw
from training.task import Task, TimeAtRisk

if TYPE_CHECKING:
    from features.lake import Lake

_BEGUN = 0.01


@dataclass(frozen=True)
class Span:
    """From when records are dense enough to look back on, until when follow-up is complete.

    Instants are UTC microseconds. ``begin`` is the first percentile of the encounters' times (a few
    old records do not make a history), ``end`` until when encounters are told (``training.records``), or
    where it is earlier, the other tables that were asked about: a feed that stopped tells no more.
    """

    begin: int
    end: int


def span(lake: Lake, *tables: str) -> Span:
    """Return the span of a lake, as far as encounters and those of ``tables`` that it holds reach.

    Raises
    ------
    InputError
        It has no encounters.
    """
    if "encounters" not in lake.tables():
        raise InputError("the lake has no encounters", where="landmarks", remedy="ingest visits first")
    end = min(told_until(lake, each) for each in {"encounters", *tables})
    if end == NEVER:
        raise InputError("the lake has no encounter that took place", where="landmarks", remedy="ingest visits first")
    time = instants(lake.read("encounters", columns=["patient_id", "time"])["time"])
    return Span(int(np.quantile(time, _BEGUN, method="higher")), end)


def month_ends(watched: Span, time: TimeAtRisk, reporting_lag_days: int) -> np.ndarray:
    """Return the landmarks with full look-back and full follow-up, UTC microseconds, ascending.

    Raises
    ------
    InputError
        The lake is too short for the task; the days missing are named.
    """
    zone = general().zone
    first = watched.begin + time.lookback_days * DAY
    last = watched.end - (time.horizon_days + reporting_lag_days) * DAY
    found = []
    day = moment(watched.begin).astimezone(zone).date().replace(day=1)
    while True:
        following = (day + timedelta(days=32)).replace(day=1)
        at = end_of_day(following - timedelta(days=1), zone)
        if at > last:
            break
        if at >= first:
            found.append(at)
        day = following
    if not found:
        missing = (first - last) // DAY + 31
        raise InputError(
            f"records from {iso(watched.begin)[:10]} to {iso(watched.end)[:10]} are too short for a look-back of "
            f"{time.lookback_days} and a horizon of {time.horizon_days} days",
            where="landmarks",
            remedy=f"about {max(missing, 1)} more days are needed",
        )
    return np.array(found, dtype=np.int64)


def discharges(lake: Lake, watched: Span, time: TimeAtRisk, reporting_lag_days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (patients, instants) at which a discharge became known, with full look-back and follow-up.

    A stay counts from the first version that says it is finished.

    Raises
    ------
    InputError
        No stay in hospital has ended inside that time.
    """
    events = lake.read("encounters", columns=["patient_id", "event_id", "known_at", "kind", "status", "end"])
    over = pc.and_(pc.equal(events["kind"], "inpatient"), pc.equal(events["status"], "finished"))
    events = events.filter(pc.and_(pc.fill_null(over, False), pc.is_valid(events["end"])))
    at = np.maximum(instants(events["end"]), instants(events["known_at"]))
    ids = events["patient_id"].to_numpy(zero_copy_only=False).astype(str)
    stay = events["event_id"].to_numpy(zero_copy_only=False).astype(str)
    order = np.lexsort((at, stay, ids))
    ids, stay, at = ids[order], stay[order], at[order]
    first = np.r_[True, (ids[1:] != ids[:-1]) | (stay[1:] != stay[:-1])][: len(ids)]
    inside = first & (at >= watched.begin + time.lookback_days * DAY)
    inside &= at <= watched.end - (time.horizon_days + reporting_lag_days) * DAY
    if not inside.any():
        raise InputError(
            f"no stay in hospital ended between {time.lookback_days} days after the records begin and "
            f"{time.horizon_days + reporting_lag_days} days before they end",
            where="landmarks",
            remedy="encounters of kind inpatient need an end",
        )
    order = np.lexsort((at[inside], ids[inside]))
    return ids[inside][order], at[inside][order]


def landmarks(
    lake: Lake, task: Task, reporting_lag_days: int, sample: float = 1.0
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return (patients, instants, what they are), in order of patient and time.

    Raises
    ------
    InputError
        The lake is too short; the days missing are named.
    """
    watched = span(lake, *read_by(task.outcome))
    if task.landmarks == "discharges":
        ids, at = discharges(lake, watched, task.time, reporting_lag_days)
        what = "discharges with full look-back and follow-up"
    else:
        moments = month_ends(watched, task.time, reporting_lag_days)
        everyone = lake.patients().astype(str)
        ids, at = np.repeat(everyone, len(moments)), np.tile(moments, len(everyone))
        what = f"patients at {len(moments)} month ends with full look-back and follow-up"
    what += f", as far as the records tell ({iso(watched.end)[:10]})"
    if sample < 1:
        taken = draw(ids, "sample") < sample
        ids, at = ids[taken], at[taken]
    return ids, at, what
