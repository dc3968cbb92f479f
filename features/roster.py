"""Who is asked about: the place of each id among distinct patients, looked up in a table made once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numba import njit, types

from features.arrange import BYTES, HASHES, INTS, LONGS, hashed

_PLACES = types.Array(types.int32, 1, "C")


@njit(_PLACES(HASHES), cache=True, nogil=True)
def _slots(hashes):  # type: ignore[no-untyped-def]
    """Return an open table of the places, twice as long as there are and a power of two."""
    size = 16
    while size < 2 * len(hashes):
        size *= 2
    slots = np.full(size, -1, np.int32)
    for place in range(len(hashes)):
        slot = np.int64(hashes[place] & np.uint64(size - 1))
        while slots[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        slots[slot] = place
    return slots


@njit(_PLACES(INTS, HASHES, LONGS, BYTES, HASHES, LONGS, BYTES), cache=True, nogil=True)
def _found(slots, hashes, at, text, other_hashes, other_at, other_text):  # type: ignore[no-untyped-def]
    """Return the place of each other id; -1 for one that is not there."""
    found = np.full(len(other_hashes), -1, np.int32)
    mask = len(slots) - 1
    for one in range(len(other_hashes)):
        first, size = other_at[one], other_at[one + 1] - other_at[one]
        slot = np.int64(other_hashes[one] & np.uint64(mask))
        while slots[slot] >= 0:
            place = slots[slot]
            if hashes[place] == other_hashes[one] and at[place + 1] - at[place] == size:
                begin, same = at[place], 0
                while same < size and text[begin + same] == other_text[first + same]:
                    same += 1
                if same == size:
                    found[one] = place
                    break
            slot = (slot + 1) & mask
    return found


class Roster:
    """The places of distinct patients.

    Parameters
    ----------
    patients
        Their ids.
    """

    def __init__(self, patients: pa.Array) -> None:
        self._at, self._text = text(patients)
        self._hashes = hashed(self._at, self._text)
        self._slots = _slots(self._hashes)

    def __len__(self) -> int:
        return len(self._hashes)

    def places(self, column: pa.ChunkedArray) -> np.ndarray:
        """Return the (n,) place of each row's patient; -1 for one that is not asked about, or null."""
        if pa.types.is_dictionary(column.type):
            one = whole(column.unify_dictionaries() if column.num_chunks > 1 else column)
            of_word = np.append(self._places(one.dictionary), np.int32(-1))
            indices = one.indices.fill_null(-1) if one.null_count else one.indices
            return np.asarray(of_word[indices.to_numpy()])
        one = whole(column)
        places = self._places(one)
        return (
            np.where(one.is_valid().to_numpy(zero_copy_only=False), places, np.int32(-1)) if one.null_count else places
        )

    def _places(self, ids: pa.Array) -> np.ndarray:
        at, words = text(ids)
        return np.asarray(_found(self._slots, self._hashes, self._at, self._text, hashed(at, words), at, words))


def text(strings: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return strings as Arrow lays them out: (n + 1,) offsets and UTF-8 bytes."""
    plain = strings if pa.types.is_string(strings.type) else strings.cast(pa.string())
    _, at, words = plain.buffers()
    offsets = np.frombuffer(at, np.int32)[plain.offset : plain.offset + len(plain) + 1] if at else np.zeros(1, np.int32)
    return offsets.astype(np.int64), np.frombuffer(words, np.uint8) if words else np.zeros(1, np.uint8)


def texts(values: Iterable[str]) -> pa.Array:
    """Return texts in one piece: arrow breaks up NumPy's fixed-width ones, beyond 64 MiB of them."""
    found = pa.array(values, pa.string())
    return whole(found) if isinstance(found, pa.ChunkedArray) else found


def whole(column: pa.ChunkedArray) -> pa.Array:
    """Return a column in one piece."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
