"""Readings of blood pressure whose systolic lies below their diastolic."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from features.coding import codelists, in_units

COLUMNS = ("patient_id", "time", "code_system", "code", "value", "unit", "_panel")


def reading(patients: np.ndarray, times: np.ndarray, panels: np.ndarray) -> np.ndarray:
    """Return a 64-bit name of the reading that each row belongs to.

    Components of one panel are one reading; else what the same patient has at the same time.
    """
    from pandas.util import hash_array

    name = hash_array(_texts(patients)) * np.uint64(0x9E3779B97F4A7C15)
    name ^= hash_array(_texts(panels)) + times.view(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return name


def inverted(batches: Iterable[pa.RecordBatch]) -> np.ndarray:
    """Return the names of readings whose highest systolic lies below their lowest diastolic, sorted."""
    names: list[np.ndarray] = []
    values: list[np.ndarray] = []
    upper: list[np.ndarray] = []
    for batch in batches:
        column = {name: batch.column(name) for name in COLUMNS}
        lists = codelists(
            column["code_system"].to_numpy(zero_copy_only=False), column["code"].to_numpy(zero_copy_only=False)
        )
        names_of = np.array([each.name if each else "" for each in lists], object)
        rows = np.flatnonzero((names_of == "systolic") | (names_of == "diastolic"))
        if not len(rows):
            continue
        taken = batch.take(pa.array(rows))
        value, _, read = in_units(
            lists[rows],
            taken.column("value").fill_null(np.nan).to_numpy(zero_copy_only=False),
            taken.column("unit").to_numpy(zero_copy_only=False),
        )
        usable = read & ~np.isnan(value)
        names.append(
            reading(
                taken.column("patient_id").to_numpy(zero_copy_only=False),
                taken.column("time").fill_null(0).to_numpy(zero_copy_only=False),
                taken.column("_panel").to_numpy(zero_copy_only=False),
            )[usable]
        )
        values.append(value[usable])
        upper.append((names_of[rows] == "systolic")[usable])
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
