"""What a row's code means here: its codelist, its value in the codelist's unit, and what is not mapped."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np

from features.codes import Codelist, all_codelists, convert

Unmapped = Counter[tuple[str, str | None, str | None, str | None]]
"""Rows by (table, code_system, code, display)."""


@functools.lru_cache(maxsize=200_000)
def codelist_of(system: str | None, code: str | None) -> Codelist | None:
    """Return the first codelist of the index that the code belongs to."""
    return next((each for each in all_codelists() if each.matches(system, code)), None)


def codelists(systems: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the codelist of each row as an object array, None where the code is not mapped."""
    found = np.empty(len(codes), object)
    found[:] = [codelist_of(system, code) for system, code in zip(systems, codes)]
    return found


@functools.lru_cache(maxsize=10_000)
def _factor(name: str, unit: str | None) -> tuple[float, float] | None:
    return convert(name, unit)


def in_units(lists: np.ndarray, values: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bring values into the unit of their codelist.

    Returns
    -------
    tuple
        Values, units, and whether each could be brought there (true where there is nothing to do:
        no value, no codelist, a codelist without a unit); one that could not keeps its own.
    """
    values, units = values.copy(), units.copy()
    read = np.ones(len(values), bool)
    stated = ~np.isnan(values)
    for row in np.flatnonzero(stated & np.array([bool(each and each.unit) for each in lists], bool)):
        factor = _factor(lists[row].name, units[row])
        if factor is None:
            read[row] = False
        else:
            values[row] = values[row] * factor[0] + factor[1]
            units[row] = lists[row].unit
    return values, units, read
