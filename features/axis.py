"""Axes of a signature: into which class a row falls by its codes, or by one column.

Rows that pass the same selections need not be told apart. So each filter column is read once into
a few classes, and a row's signature is its place on all axes together; selections are decided per
signature, not per row.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.history import Selection, Value
from features.roster import whole

Read: TypeAlias = Mapping[str, pa.ChunkedArray]
"""Columns by name, in canonical form."""
BETWEEN = "\x1f"
"""What parts the words of a list that is held as one text."""


class ColumnAxis:
    """Classes of one column: values that the same selections name are one class."""

    def __init__(self, column: str, selections: Sequence[Selection]) -> None:
        named = {
            value: None for each in selections for name, values in each.conditions if name == column for value in values
        }
        self.columns = (column,)
        passes = np.zeros((len(named) + 1, len(selections)), dtype=bool)
        for place, each in enumerate(selections):
            asked = [values for name, values in each.conditions if name == column]
            passes[0, place] = not asked
            for row, value in enumerate(named, 1):
                passes[row, place] = all(value in values for values in asked)
        self._passes, classes = np.unique(passes, axis=0, return_inverse=True)
        self._other, *of = classes.ravel().tolist()
        self.values: dict[Value, int] = dict(zip(named, of))

    def classes(self, rows: Read) -> np.ndarray:
        """Return the (n,) class of each row."""
        column = rows[self.columns[0]]
        if pa.types.is_string(column.type) or pa.types.is_dictionary(column.type):
            places, words = encoded(column)
            return np.array([*(self.values.get(word, self._other) for word in words), self._other], np.int64)[places]
        given = numbers(column)
        found = np.full(len(given), self._other)
        for value, place in self.values.items():
            found[given == value] = place
        return found

    def passes(self) -> np.ndarray:
        """Return (classes, selections): whether rows of a class pass the selection, as far as this column goes."""
        return self._passes


class CodeAxis:
    """Classes of (code_system, code): pairs that the same selections accept are one class.

    Pairs are judged when first met and remembered; the classes found depend on the selections alone.
    """

    columns = ("code_system", "code")

    def __init__(self, selections: Sequence[Selection]) -> None:
        self._selections = tuple(selections)
        self._filters = tuple({any_of: None for each in selections for any_of in each.codes})
        self._of_pair: dict[tuple[str | None, str | None], int] = {}
        self._rows: dict[bytes, int] = {}
        self._passes = np.zeros((0, len(selections)), dtype=bool)
        self._lock = threading.Lock()

    def classes(self, rows: Read) -> np.ndarray:
        """Return the (n,) class of each row."""
        codes, code_words = encoded(rows["code"])
        systems, system_words = encoded(rows["code_system"])
        wide = len(code_words) + 1
        pairs = (systems + 1) * wide + codes + 1
        size = wide * (len(system_words) + 1)
        present = np.flatnonzero(np.bincount(pairs, minlength=1)) if size < 4 * len(pairs) + 4096 else np.unique(pairs)
        of_pair = np.zeros(size, np.int64)
        with self._lock:
            for pair in present.tolist():
                system, code = divmod(pair, wide)
                of_pair[pair] = self._class(
                    system_words[system - 1] if system else None, code_words[code - 1] if code else None
                )
        return of_pair[pairs]

    def passes(self) -> np.ndarray:
        """Return (classes, selections), as ColumnAxis does."""
        return self._passes

    def _class(self, system: str | None, code: str | None) -> int:
        found = self._of_pair.get((system, code))
        if found is None:
            accepts = {
                any_of: any(
                    each == code if isinstance(each, str) else each.matches(system or "", code or "") for each in any_of
                )
                for any_of in self._filters
            }
            row = np.array([all(accepts[any_of] for any_of in each.codes) for each in self._selections])
            found = self._rows.setdefault(row.tobytes(), len(self._rows))
            if found == len(self._passes):
                self._passes = np.vstack([self._passes, row])
            self._of_pair[(system, code)] = found
        return found


class ListAxis:
    """Classes of a column of several words: rows whose words pass the same selections are one class.

    Lists are judged when first met and remembered, as CodeAxis does with codes.
    """

    def __init__(self, column: str, selections: Sequence[Selection]) -> None:
        self.columns = (column,)
        self._asked = [[set(v) for name, v in each.conditions if name == column] for each in selections]
        self._of_text: dict[str | None, int] = {}
        self._rows: dict[bytes, int] = {}
        self._passes = np.zeros((0, len(selections)), dtype=bool)
        self._lock = threading.Lock()

    def classes(self, rows: Read) -> np.ndarray:
        """Return the (n,) class of each row."""
        places, texts = encoded(joined(rows[self.columns[0]]))
        with self._lock:
            return np.array([*map(self._class, texts), self._class(None)], np.int64)[places]

    def passes(self) -> np.ndarray:
        """Return (classes, selections), as ColumnAxis does."""
        return self._passes

    def _class(self, text: str | None) -> int:
        found = self._of_text.get(text)
        if found is None:
            words = set(text.split(BETWEEN)) if text else set()
            row = np.array([all(words & any_of for any_of in each) for each in self._asked])
            found = self._rows.setdefault(row.tobytes(), len(self._rows))
            if found == len(self._passes):
                self._passes = np.vstack([self._passes, row])
            self._of_text[text] = found
        return found


def joined(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return lists of words as one text each."""
    return pc.binary_join(column, BETWEEN)


def encoded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Return (n,) places in the list of distinct words, -1 for null, and that list."""
    places, words = numbered(column)
    return places, words.to_pylist()


def numbered(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Return (n,) places among the distinct words, -1 for null, and these."""
    if pa.types.is_dictionary(column.type):
        one = whole(column.unify_dictionaries() if column.num_chunks > 1 else column)
    else:
        one = whole(column).dictionary_encode()
    places = one.indices.fill_null(-1) if one.null_count else one.indices
    return places.to_numpy().astype(np.int64), one.dictionary


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return a numeric, boolean or instant column as floats; null and what is not finite are NaN."""
    one = whole(column)
    if not one.null_count and (pa.types.is_timestamp(one.type) or pa.types.is_int64(one.type)):
        return np.asarray(one.view(pa.int64()).to_numpy().astype(np.float64))
    if not one.null_count and pa.types.is_boolean(one.type):
        return np.asarray(one.to_numpy(zero_copy_only=False).astype(np.float64))
    if pa.types.is_timestamp(one.type):
        one = one.view(pa.int64())
    if not pa.types.is_float64(one.type):
        one = one.cast(pa.float64(), safe=False)
    found = one.to_numpy(zero_copy_only=False)
    return np.where(np.isfinite(found), found, np.nan)
