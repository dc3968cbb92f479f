"""What a row's code means here: its codelist, its value in the codelist's unit, and what is not mapped."""

from __future__ import annotations

import functools
import re
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


_LOCAL = re.compile(r"\b(ophthalmic|nasal|topical|otic|vaginal|rectal|cream|ointment|lotion)\b", re.IGNORECASE)
_BEFORE = re.compile(r"^(?:nda\d+\s+)?(?:[\d.]+\s+(?:hr|ml|actuat|mg|day)\s+)*", re.IGNORECASE)


@functools.lru_cache(maxsize=50_000)
def ingredient(display: str | None) -> str | None:
    """Return the RxNorm code of an ingredient that codelists know and that a medicine's RxNorm name begins with.

    ``24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet`` is metformin; of several
    ingredients the first that is known. What is put on a place (an eye drop, a cream) is not taken
    for the medicine that is swallowed or injected.
    """
    if not display or applied_locally(display):
        return None
    for part in display.split(" / "):
        name = _BEFORE.sub("", part.strip().lower())
        for word, code in _ingredients():
            if name == word or name.startswith((f"{word} ", f"{word},")):
                return code
    return None


def applied_locally(display: str) -> bool:
    """Whether a medicine's name says that it is put on a place: an eye drop, a nasal spray, a cream."""
    return bool(_LOCAL.search(display))


@functools.cache
def _ingredients() -> tuple[tuple[str, str], ...]:
    """Return name and RxNorm code of every ingredient in the codelists, the longest names first."""
    names = {
        en.lower().split(",")[0]: code
        for each in all_codelists()
        if each.kind == "medicine"
        for (system, code), (_, en) in each.names.items()
        if system == "RxNorm" and not any(mark.isdigit() for mark in en)
    }
    return tuple(sorted(names.items(), key=lambda each: (-len(each[0]), each)))
