"""Readings of blood pressure whose systolic lies below their diastolic."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from features.codemap import Codemap
from features.coding import codelists, in_units
from features.columns import plain
from features.quality import MISSING

COLUMNS = ("patient_id", "time", "code_system", "code", "value", "unit", "_panel")


def reading(patients: np.ndarray, times: np.ndarray, panels: np.ndarray) -> np.ndarray:
    """Return a 64-bit name of the reading that each row belongs to.

    Components of one panel are one reading; else what the same patient has at the same time.
    """
    from pandas.util import hash_array

    name = hash_array(_texts(patients)) * np.uint64(0x9E3779B97F4A7C15)
    name ^= hash_array(_texts(panels)) + times.view(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return name


def inverted(batches: Iterable[pa.RecordBatch], codemap: Codemap) -> np.ndarray:
    """Return the names of readings whose highest systolic lies below their lowest diastolic, sorted."""
    names: list[np.ndarray] = []
    values: list[np.ndarray] = []
    upper: list[np.ndarray] = []
    for batch in batches:
        column = {name: plain(batch.column(name)) for name in COLUMNS}
        systems, codes, units = codemap.apply(column["code_system"], column["code"], column["unit"])
        lists = codelists(systems, codes)
        names_of = np.array([each.name if each else "" for each in lists], object)
        rows = np.flatnonzero((names_of == "systolic") | (names_of == "diastolic"))
        value, _, read = in_units(lists[rows], column["value"][rows], units[rows])
        rows, value = rows[read & ~np.isnan(value)], value[read & ~np.isnan(value)]
        time = np.where(column["time"] == MISSING, 0, column["time"])
        names.append(reading(column["patient_id"][rows], time[rows], column["_panel"][rows]))
        values.append(value)
        upper.append(names_of[rows] == "systolic")
    if not names:
        return np.empty(0, np.uint64)
    return _contradictions(np.concatenate(names), np.concatenate(values), np.concatenate(upper))


def _contradictions(names: np.ndarray, values: np.ndarray, upper: np.ndarray) -> np.ndarray:
    readings, place = np.unique(names, return_inverse=True)
    highest = np.full(len(readings), -np.inf)
    lowest = np.full(len(readings), np.inf)
    np.maximum.at(highest, place[upper], values[upper])
    np.minimum.at(lowest, place[~upper], values[~upper])
    return readings[np.isfinite(highest) & np.isfinite(lowest) & (highest < lowest)]


def _texts(values: np.ndarray) -> np.ndarray:
    return np.array([value or "" for value in values], object)
