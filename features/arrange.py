"""Order the rows of one table, and find when each is superseded.

Rows of a patient are ordered by (time, event_id). A row is replaced by a row of the same patient
and event_id with a higher (version, known_at, rank): so it is visible at an instant iff
``known_at <= instant < until``, where ``until`` is the least known_at among its replacements. No
landmark has to group versions again.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

LONGS = types.Array(types.int64, 1, "C", readonly=True)
INTS = types.Array(types.int32, 1, "C", readonly=True)
BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_OWN_LONGS = types.Array(types.int64, 1, "C")
HASHES = types.Array(types.uint64, 1, "C", readonly=True)
NEVER = np.int64(2**63 - 1)


@njit(inline="always")
def _compared(one, other, at, text):  # type: ignore[no-untyped-def]
    """Compare two ids byte by byte: negative, 0 or positive, as Python compares the strings."""
    size_one, size_other = at[one + 1] - at[one], at[other + 1] - at[other]
    for place in range(min(size_one, size_other)):
        difference = np.int64(text[at[one] + place]) - np.int64(text[at[other] + place])
        if difference != 0:
            return difference
    return size_one - size_other


@njit(inline="always")
def _precedes(time, row, other_time, other, at, text):  # type: ignore[no-untyped-def]
    if time != other_time:
        return time < other_time
    return _compared(row, other, at, text) < 0


@njit(types.void(_OWN_LONGS, LONGS, LONGS, LONGS, BYTES), cache=True, nogil=True)
def _sort(order, starts, time, at, text):  # type: ignore[no-untyped-def]
    """Sort each patient's stretch of ``order``: stable merges, runs already in order are left alone.

    Times travel with the rows, so that what is compared lies together.
    """
    most = 0
    for patient in range(len(starts) - 1):
        most = max(most, starts[patient + 1] - starts[patient])
    rows, spare = np.empty(most, np.int64), np.empty(most, np.int64)
    keys, spare_keys = np.empty(most, np.int64), np.empty(most, np.int64)
    for patient in range(len(starts) - 1):
        low, size = starts[patient], starts[patient + 1] - starts[patient]
        for place in range(size):
            rows[place] = order[low + place]
            keys[place] = time[rows[place]]
        width = 1
        while width < size:
            left = 0
            while left + width < size:
                middle, right = left + width, min(left + 2 * width, size)
                if _precedes(keys[middle], rows[middle], keys[middle - 1], rows[middle - 1], at, text):
                    spare[left:middle] = rows[left:middle]
                    spare_keys[left:middle] = keys[left:middle]
                    one, other, place = left, middle, left
                    while one < middle:
                        if other < right and _precedes(keys[other], rows[other], spare_keys[one], spare[one], at, text):
                            rows[place], keys[place] = rows[other], keys[other]
                            other += 1
                        else:
                            rows[place], keys[place] = spare[one], spare_keys[one]
                            one += 1
                        place += 1
                left = right
            width *= 2
        for place in range(size):
            order[low + place] = rows[place]


@njit(types.Array(types.uint64, 1, "C")(LONGS, BYTES), cache=True, nogil=True)
def hashed(at, text):  # type: ignore[no-untyped-def]
    """Return a hash of every id, read in the order in which they lie."""
    found = np.empty(len(at) - 1, np.uint64)
    for row in range(len(found)):
        value = np.uint64(14695981039346656037)
        for place in range(at[row], at[row + 1]):
            value = (value ^ np.uint64(text[place])) * np.uint64(1099511628211)
        found[row] = value ^ (value >> np.uint64(29))
    return found


@njit(types.Tuple((types.Array(types.int64, 1, "C"), types.Array(types.int64, 1, "C")))(INTS, types.int64), cache=True)
def dealt(patient, patients):  # type: ignore[no-untyped-def]
    """Counting sort by patient: (order, starts); rows of patient -1 are left out."""
    starts = np.zeros(patients + 1, np.int64)
    for row in range(len(patient)):
        if patient[row] >= 0:
            starts[patient[row] + 1] += 1
    for place in range(patients):
        starts[place + 1] += starts[place]
    order, following = np.empty(starts[patients], np.int64), starts[:-1].copy()
    for row in range(len(patient)):
        if patient[row] >= 0:
            order[following[patient[row]]] = row
            following[patient[row]] += 1
    return order, starts


@njit(inline="always")
def _replaces(one, other, version, known, rank):  # type: ignore[no-untyped-def]
    if version[one] != version[other]:
        return version[one] > version[other]
    if known[one] != known[other]:
        return known[one] > known[other]
    return rank[one] > rank[other]


@njit(types.int64(_OWN_LONGS, LONGS, HASHES, LONGS, BYTES, LONGS, LONGS, INTS, _OWN_LONGS), cache=True, nogil=True)
def _superseded(order, starts, hashes, at, text, version, known, rank, until):  # type: ignore[no-untyped-def]
    """Fill ``until``; return how many rows share event_id, version, known_at and rank with another."""
    most = 1
    for patient in range(len(starts) - 1):
        most = max(most, starts[patient + 1] - starts[patient])
    size = 16
    while size < 2 * most:
        size *= 2
    newest, tags = np.empty(size, np.int64), np.empty(size, np.uint64)
    stamp = np.full(size, -1, np.int64)
    earlier = np.empty(most, np.int64)
    tied = 0
    for patient in range(len(starts) - 1):
        low = starts[patient]
        mask = np.int64(16)
        while mask < 2 * (starts[patient + 1] - low):
            mask *= 2
        mask -= 1
        for place in range(low, starts[patient + 1]):
            row = order[place]
            tag = hashes[row]
            slot = np.int64(tag & np.uint64(mask))
            while stamp[slot] == patient and (
                tags[slot] != tag or _compared(order[low + newest[slot]], row, at, text) != 0
            ):
                slot = (slot + 1) & mask
            earlier[place - low] = newest[slot] if stamp[slot] == patient else -1
            stamp[slot], newest[slot], tags[slot] = patient, place - low, tag
            found = earlier[place - low]
            while found >= 0:
                other = order[low + found]
                if _replaces(row, other, version, known, rank):
                    until[other] = min(until[other], known[row])
                elif _replaces(other, row, version, known, rank):
                    until[row] = min(until[row], known[other])
                else:
                    tied += 1
                found = earlier[found]
    return tied


def arrange(
    patient: np.ndarray,
    patients: int,
    time: np.ndarray,
    known: np.ndarray,
    version: np.ndarray,
    rank: np.ndarray,
    id_at: np.ndarray,
    id_text: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Order rows and date their replacement.

    Parameters
    ----------
    patient
        (n,) place of each row's patient among ``patients``; -1 leaves the row out.
    time, known
        (n,) UTC microseconds.
    version, rank
        (n,) what decides between rows of one event_id; rank only between equal version and known_at.
    id_at, id_text
        event_ids as Arrow lays them out: (n + 1,) offsets into UTF-8 bytes.

    Returns
    -------
    order, starts, until, tied
        Rows by patient, time and event_id; (patients + 1,) where each patient's begin; (n,) the
        instant each row stops being visible; and the number of pairs that nothing told apart.
    """
    order, starts = dealt(patient, patients)
    _sort(order, starts, time, id_at, id_text)
    until = np.full(len(patient), NEVER)
    tied = _superseded(order, starts, hashed(id_at, id_text), id_at, id_text, version, known, rank, until)
    return order, starts, until, int(tied)
