"""Groups of people whose figures are compared: age band, sex, region, insurance, department, age x sex."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.instants import DAY
from training.followup import NEVER, final, instants

if TYPE_CHECKING:
    from features.lake import Lake

BANDS = ((0, "<14"), (14, "14-17"), (18, "18-44"), (45, "45-59"), (60, "60-74"), (75, "75+"))
"""First year of age of each band (METHODS, fairness and promotion)."""
UNKNOWN = "unknown"
UNLIKE = {"department": "departments see patients of unlike risk: those of a pharmacy come back on a rhythm"}
"""Axes that are no attribute of a person, with the reason why one cut-off finds unlike shares of them."""
_YEAR = 365.25 * DAY


def strata(lake: Lake, patient_id: np.ndarray, at: np.ndarray) -> dict[str, np.ndarray]:
    """Return axis -> (n,) group of each landmark.

    Parameters
    ----------
    patient_id, at
        (n,) landmarks; ``at`` in UTC microseconds. The department is that of the last encounter
        known by then.
    """
    columns = ["patient_id", "event_id", "version", "void", "time", "birth_date", "sex", "region_code", "insurance"]
    people = final(lake.read("patients", columns=columns))
    ids = people["patient_id"].to_numpy(zero_copy_only=False).astype(str)
    order = np.argsort(ids, kind="stable")
    place, there = _found(ids[order], patient_id.astype(str))
    row = order[place] if len(order) else np.zeros(len(patient_id), dtype=np.int64)

    def text(name: str) -> np.ndarray:
        if not len(ids):
            return np.full(len(patient_id), UNKNOWN)
        values = np.array([value or UNKNOWN for value in people[name].to_pylist()], dtype=str)
        return np.where(there, values[row], UNKNOWN)

    born = instants(people["birth_date"])[row] if len(ids) else np.full(len(patient_id), NEVER)
    years = np.where(there & (born != NEVER), (at - born.astype(float)) / _YEAR, np.nan)
    age = age_bands(years)
    sex = text("sex")
    return {
        "age": age,
        "sex": sex,
        "region": text("region_code"),
        "insurance": text("insurance"),
        "department": _department(lake, patient_id.astype(str), at),
        "age x sex": np.char.add(np.char.add(age, " "), sex),
    }


def age_bands(years: np.ndarray) -> np.ndarray:
    """Return the band of each age in years, ``unknown`` where it is null."""
    names = np.array([name for _, name in BANDS])
    place = np.searchsorted([first for first, _ in BANDS], np.nan_to_num(years, nan=0.0), side="right") - 1
    return np.where(np.isnan(years), UNKNOWN, names[np.maximum(place, 0)])


def _department(lake: Lake, patient_id: np.ndarray, at: np.ndarray) -> np.ndarray:
    if "encounters" not in lake.tables():
        return np.full(len(at), UNKNOWN)
    events = lake.read("encounters", columns=["patient_id", "time", "known_at", "department"])
    ids = events["patient_id"].to_numpy(zero_copy_only=False).astype(str)
    seen = np.maximum(instants(events["time"]), instants(events["known_at"]))
    names = np.array([value or UNKNOWN for value in events["department"].to_pylist()], dtype=str)
    everyone, code = np.unique(np.r_[ids, patient_id], return_inverse=True)
    who, asked = code[: len(ids)], code[len(ids) :]
    order = np.lexsort((seen, who))
    who, seen, names = who[order], seen[order], names[order]
    begin = np.searchsorted(who, np.arange(len(everyone)))
    end = np.r_[begin[1:], len(who)] if len(everyone) else begin
    out = np.full(len(at), UNKNOWN, dtype=names.dtype if len(names) and names.dtype.itemsize > 28 else "<U40")
    for number in range(len(at)):
        start = begin[asked[number]]
        last = start + np.searchsorted(seen[start : end[asked[number]]], at[number], side="right") - 1
        if last >= start:
            out[number] = names[last]
    return out


def _found(sorted_ids: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(sorted_ids):
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    place = np.minimum(np.searchsorted(sorted_ids, wanted), len(sorted_ids) - 1)
    return place, sorted_ids[place] == wanted
