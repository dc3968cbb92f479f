"""The rows of one table dealt into buckets of patients, on disk, so that a bucket is read without the others.

One file holds the columns as plain arrays, batch after batch, each batch in the order of its buckets;
words are places in a list of the whole table. Nothing is compressed: it is written and read once.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.arrange import dealt
from features.axis import BETWEEN, joined, numbered
from features.roster import Roster, whole
from features.schema import ARROW, table

ABSENT, PLAIN, GAPS, ONE, TEXT = range(5)
"""How a batch holds a column: nothing but nulls, all values, some null, one value throughout, as text."""
_STORED = {"instant": np.int64, "int": np.int64, "float": np.float64, "bool": np.uint8}
Pieces: TypeAlias = Sequence[tuple[int, int, int]]
"""Batches, and from where to where a bucket's rows lie in each."""
_WORDS = ("string", "strings")
_MANY = 100_000
"""So many different words a table's list may hold; beyond, a batch holds them as text."""


class Dealing:
    """Deals a table's rows into the buckets of a folder, which has its name once it is whole.

    Parameters
    ----------
    folder
        Where; what an interrupted run left there is replaced.
    name
        The canonical table.
    columns
        Columns that are kept besides ``patient_id``.
    """

    def __init__(self, folder: Path, name: str, columns: Iterable[str]) -> None:
        self._folder, self._fresh = folder, folder.with_name(f".{folder.name}")
        self._kinds = {each: table(name).column(each).kind for each in columns if each != "patient_id"}
        self._words: dict[str, dict[str, int]] = {each: {} for each, kind in self._kinds.items() if kind in _WORDS}
        self._edges: list[np.ndarray] = []
        self._how: list[list[tuple[int, int]]] = []
        shutil.rmtree(self._fresh, ignore_errors=True)
        self._fresh.mkdir(parents=True)

    def deal(self, batches: Iterable[pa.Table], roster: Roster, edges: np.ndarray) -> None:
        """Deal all rows; bucket k is that of the patients at the places from edges[k] up to edges[k + 1]."""
        parts = len(edges) - 1
        part_of = np.append(np.repeat(np.arange(parts, dtype=np.int32), np.diff(edges)), np.int32(-1))
        with (self._fresh / "rows").open("wb", buffering=0) as self._out:
            for rows in batches:
                place = roster.places(rows["patient_id"])
                order, starts = dealt(part_of[place], parts)
                if len(order):
                    self._edges.append(starts)
                    self._how.append([(PLAIN, self._put(place[order]))])
                    self._how[-1] += [self._column(each, rows[each], order) for each in self._kinds]
        told = {"kinds": self._kinds, "words": {each: list(words) for each, words in self._words.items()}}
        (self._fresh / "told.json").write_text(json.dumps(told))
        np.save(self._fresh / "edges.npy", np.array(self._edges, np.int64).reshape(-1, parts + 1))
        np.save(self._fresh / "how.npy", np.array(self._how, np.int64).reshape(-1, len(self._kinds) + 1, 2))
        self._fresh.replace(self._folder)

    def _column(self, name: str, column: pa.ChunkedArray, order: np.ndarray) -> tuple[int, int]:
        """Write one column of a batch; return how, and where it begins."""
        if column.null_count == len(column):
            return ABSENT, 0
        if self._kinds[name] not in _WORDS:
            return self._numbers(whole(column), order, _STORED[self._kinds[name]])
        places = self._places(name, column)
        if places is None:
            return TEXT, self._strings(whole(_texts(column)).take(pa.array(order)))
        if places[0] == places[-1] and bool((places == places[0]).all()):
            return ONE, self._put(places[:1])
        return PLAIN, self._put(places[order])

    def _numbers(self, column: pa.Array, order: np.ndarray, kind: Any) -> tuple[int, int]:
        plain = column.cast(pa.uint8()) if kind is np.uint8 else column.view(pa.int64()) if kind is np.int64 else column
        if plain.null_count:
            given = plain.is_valid().to_numpy(zero_copy_only=False).view(np.uint8)
            at = self._put(plain.fill_null(0).to_numpy()[order])
            self._put(given[order])
            return GAPS, at
        values = plain.to_numpy()
        if values[0] == values[-1] and bool((values == values[0]).all()):
            return ONE, self._put(values[:1])
        return PLAIN, self._put(values[order])

    def _places(self, name: str, column: pa.ChunkedArray) -> np.ndarray | None:
        """Return the (n,) place of each word in the table's list, -1 for null; None where there are too many."""
        if name == "event_id":
            return None
        places, found = numbered(column if pa.types.is_dictionary(column.type) else _texts(column))
        words = self._words[name]
        if len(words) + len(found) > _MANY:
            return None
        place = [words.setdefault(each, len(words)) for each in found.to_pylist()]
        return np.array([*place, -1], np.int32)[places]

    def _strings(self, strings: pa.Array) -> int:
        valid = strings.is_valid().to_numpy(zero_copy_only=False)
        _, at, text = strings.buffers()
        offsets = np.frombuffer(at, np.int32)[strings.offset : strings.offset + len(strings) + 1]
        begin = self._put(offsets - offsets[0])
        self._put(valid.view(np.uint8))
        self._put(np.frombuffer(text, np.uint8)[offsets[0] : offsets[-1]] if text else np.empty(0, np.uint8))
        return begin

    def _put(self, values: np.ndarray) -> int:
        begin = self._out.tell()
        left = np.ascontiguousarray(values).data.cast("B")
        while left:
            left = left[self._out.write(left) :]
        return begin


class Dealt:
    """A table that was dealt.

    Parameters
    ----------
    folder
        Where ``Dealing`` put it.
    """

    def __init__(self, folder: Path) -> None:
        told = json.loads((folder / "told.json").read_text())
        self._kinds: dict[str, str] = told["kinds"]
        self._words = {name: _listed(words, self._kinds[name]) for name, words in told["words"].items()}
        self._edges, self._how = np.load(folder / "edges.npy"), np.load(folder / "how.npy")
        self._file = (folder / "rows").open("rb", buffering=0)

    def close(self) -> None:
        self._file.close()

    def bucket(self, part: int, patients: pa.Array, first: int) -> pa.Table:
        """Return the rows of one bucket.

        Parameters
        ----------
        patients
            The bucket's patients.
        first
            The place of the first of them among all.
        """
        low, high = self._edges[:, part], self._edges[:, part + 1]
        pieces = [(batch, int(low[batch]), int(high[batch])) for batch in np.flatnonzero(high > low).tolist()]
        place = self._numbers(0, pieces, np.int32)[0] - np.int32(first)
        found: dict[str, pa.Array] = {"patient_id": pa.DictionaryArray.from_arrays(pa.array(place), patients)}
        for at, (name, kind) in enumerate(self._kinds.items(), 1):
            found[name] = self._column(at, name, kind, pieces)
        return pa.table(found)

    def _column(self, at: int, name: str, kind: str, pieces: Pieces) -> pa.Array:
        if kind not in _WORDS:
            values, given = self._numbers(at, pieces, _STORED[kind])
            plain = pa.array(values.view(bool) if kind == "bool" else values, mask=None if given is None else ~given)
            return plain.view(ARROW[kind]) if kind == "instant" else plain
        if any(self._how[batch, at, 0] == TEXT for batch, *_ in pieces):
            return pa.concat_arrays([self._texts(at, name, kind, piece) for piece in pieces])
        places, given = self._numbers(at, pieces, np.int32)
        return self._worded(name, kind, places, given)

    def _worded(self, name: str, kind: str, places: np.ndarray, given: np.ndarray | None) -> pa.Array:
        missing = places < 0 if given is None else (places < 0) | ~given
        told = pa.array(places, mask=missing if missing.any() else None)
        words = self._words[name]
        return words.take(told) if kind == "strings" else pa.DictionaryArray.from_arrays(told, words)

    def _numbers(self, at: int, pieces: Pieces, kind: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a column's values, and which of them are given; None for all."""
        size = sum(high - low for _, low, high in pieces)
        values, given = np.empty(size, kind), np.ones(size, bool)
        begin = 0
        for batch, low, high in pieces:
            how, start = self._how[batch, at].tolist()
            own = values[begin : begin + high - low]
            if how == ABSENT:
                own[:], given[begin : begin + high - low] = 0, False
            elif how == ONE:
                own[:] = self._read(start, 1, kind)
            else:
                self._into(own, start + low * own.itemsize)
            if how == GAPS:
                after = start + int(self._edges[batch, -1]) * own.itemsize
                self._into(given[begin : begin + high - low].view(np.uint8), after + low)
            begin += high - low
        return values, None if given.all() else given

    def _texts(self, at: int, name: str, kind: str, piece: tuple[int, int, int]) -> pa.Array:
        """Return one batch's share of a column that somewhere is held as text."""
        batch, low, high = piece
        how, start = self._how[batch, at].tolist()
        if how != TEXT:
            found = self._worded(name, kind, *self._numbers(at, [piece], np.int32))
            return found if kind == "strings" else found.cast(pa.string())
        size = int(self._edges[batch, -1])
        offsets = self._read(start + 4 * low, high - low + 1, np.int32)
        valid = self._read(start + 4 * (size + 1) + low, high - low, np.uint8)
        text = self._read(start + 4 * (size + 1) + size + int(offsets[0]), int(offsets[-1] - offsets[0]), np.uint8)
        buffers = [None, pa.py_buffer(offsets - offsets[0]), pa.py_buffer(text)]
        strings = pa.StringArray.from_buffers(high - low, buffers[1], buffers[2])
        if not valid.all():
            strings = pc.if_else(pa.array(valid.view(bool)), strings, None)
        return pc.split_pattern(strings, BETWEEN) if kind == "strings" else strings

    def _read(self, start: int, size: int, kind: Any) -> np.ndarray:
        found = np.empty(size, kind)
        self._into(found, start)
        return found

    def _into(self, values: np.ndarray, start: int) -> None:
        left = values.data.cast("B") if len(values) else memoryview(b"")
        while left:
            count = os.preadv(self._file.fileno(), [left], start)
            left, start = left[count:], start + count


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return joined(column) if pa.types.is_list(column.type) else column.cast(pa.string())


def _listed(words: list[str], kind: str) -> pa.Array:
    texts = pa.array(words, pa.string())
    return pc.split_pattern(texts, BETWEEN) if kind == "strings" else texts
