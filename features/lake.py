"""A lake on disk: a folder with one folder of Parquet files per table, read in buckets of patients."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.canonical import canonical, empty, spelled
from features.dealt import Dealing, Dealt
from features.errors import InputError
from features.made import CONTENT, JOINED, Items
from features.roster import Roster
from features.schema import EVENT_TABLES, TABLES

ROWS = 400_000
"""Rows of all tables together that are held in memory at once."""
CELLS = 8_000_000
"""Numbers of a vector that are held in memory at once."""
BATCH = 1 << 18
"""Rows of one table that are sorted into buckets at once."""


class Lake:
    """Canonical tables in a folder: any file names, rows in any order, no manifest.

    Parameters
    ----------
    path
        The folder. Folders that are not named as a canonical table are none of its business.

    Raises
    ------
    InputError
        There is no such folder.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise InputError("there is no such folder", where=f"lake {self.path.name}")

    @cached_property
    def files(self) -> dict[str, tuple[Path, ...]]:
        """Table -> its Parquet files, in the order of their names."""
        found = {name: tuple(sorted((self.path / name).rglob("*.parquet"))) for name in TABLES}
        return {name: files for name, files in found.items() if files}

    def tables(self) -> tuple[str, ...]:
        """Return the names of the canonical tables that are there."""
        return tuple(self.files)

    def read(self, name: str, columns: Sequence[str] | None = None, patients: pa.Array | None = None) -> pa.Table:
        """Return a table in canonical form.

        Parameters
        ----------
        name
            A canonical table; one that the lake lacks is empty.
        columns
            Columns wanted; one that the files lack is null. None for all.
        patients
            Patients wanted; None for all.

        Raises
        ------
        InputError
            A file cannot be read, or a column not as its kind.
        """
        parts = [self._part(name, file, columns, patients) for file in self.files.get(name, ())]
        if not parts:
            none = empty(name)
            return none if columns is None else none.select(list(columns))
        if len({str(part.schema.types) for part in parts}) > 1:
            parts = [spelled(part) for part in parts]
        return pa.concat_tables(parts, promote_options="permissive")

    def patients(self) -> np.ndarray:
        """Return every patient of the lake, sorted."""
        found = [
            pc.unique(self.read(name, columns=("patient_id",))["patient_id"].cast(pa.string()))
            for name in self.tables()
            if name in EVENT_TABLES
        ]
        if not found:
            return np.empty(0, dtype=object)
        return np.array(sorted(set().union(*(set(each.to_pylist()) for each in found)) - {None}), dtype=object)

    def patients_of(self, file: str) -> pa.ChunkedArray:
        """Return the patient of every row of one file of the manifest; none where it is of no patient."""
        name = file.partition("/")[0]
        if TABLES[name].per_patient or name == "observed":
            return self._part(name, self.path / file, ("patient_id",), None)["patient_id"].cast(pa.string())
        return pa.chunked_array([], pa.string())

    def parts(self, columns: Mapping[str, Sequence[str]], patients: int, cells: int) -> int:
        """Return into how many buckets of patients the work is cut, so that each fits in memory.

        Parameters
        ----------
        columns
            Table -> columns that are read.
        patients
            How many there are.
        cells
            Numbers that will be computed for all of them.
        """
        rows = sum(pq.read_metadata(file).num_rows for name in columns for file in self.files.get(name, ()))
        return max(min(max(-(-rows // ROWS), -(-cells // CELLS)), patients), 1)

    def buckets(
        self,
        columns: Mapping[str, Sequence[str]],
        patients: pa.Array,
        parts: int = 1,
        done: Container[int] = (),
        folder: Path | None = None,
    ) -> Iterator[tuple[int, np.ndarray, dict[str, pa.Table]]]:
        """Yield buckets of patients: number, their places in ``patients``, and the rows of each table that are theirs.

        Parameters
        ----------
        columns
            Table -> columns that are read.
        patients
            Distinct patient ids; rows of others are left out.
        parts
            How many buckets.
        done
            Buckets that are not asked for.
        folder
            Where rows are sorted into buckets; what a run before has sorted there is used. None for a
            temporary one.
        """
        present = {name: tuple(wanted) for name, wanted in columns.items() if name in self.files}
        places = np.arange(len(patients))
        if parts <= 1:
            yield 0, places, {name: self.read(name, wanted) for name, wanted in present.items()}
            return
        edges = np.linspace(0, len(patients), parts + 1).astype(np.int64)
        with tempfile.TemporaryDirectory(prefix="carepath-buckets-") as temporary, ExitStack() as opened:
            dealt_into, roster = folder or Path(temporary), Roster(patients)
            for name, wanted in present.items():
                if not (dealt_into / name).is_dir():
                    rows = (each for file in self.files[name] for each in self._batches(name, file, wanted, words=True))
                    Dealing(dealt_into / name, name, wanted).deal(rows, roster, edges)
            tables = {name: opened.enter_context(closing(Dealt(dealt_into / name))) for name in present}
            for part in range(parts):
                if part not in done:
                    first, last = edges[part], edges[part + 1]
                    own = patients.slice(first, last - first)
                    yield (
                        part,
                        places[first:last],
                        {name: each.bucket(part, own, first) for name, each in tables.items()},
                    )

    @cached_property
    def manifest(self) -> dict[str, str]:
        """File (relative to the lake) -> SHA-256 of its bytes, in the order of the names."""
        return {
            file.relative_to(self.path).as_posix(): _sha256(file) for files in self.files.values() for file in files
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the manifest: what the lake holds."""
        lines = "\n".join(f"{digest}  {name}" for name, digest in sorted(self.manifest.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    def extent(self) -> tuple[int, int]:
        """Return the first time and the last known_at of any event, as UTC microseconds.

        Raises
        ------
        InputError
            The lake holds no event.
        """
        first, last = [], []
        for name in self.tables():
            if name not in EVENT_TABLES or name == "patients":
                continue
            times = self.read(name, columns=("time", "known_at"))
            if times.num_rows:
                first.append(pc.min(times["time"]).cast(pa.int64()).as_py())
                last.append(pc.max(times["known_at"]).cast(pa.int64()).as_py())
        if not first:
            raise InputError("holds no event", where=f"lake {self.path.name}")
        return min(first), max(last)

    def _part(self, name: str, file: Path, columns: Sequence[str] | None, patients: pa.Array | None) -> pa.Table:
        try:
            schema = pq.read_schema(file)
            with pq.ParquetFile(file) as opened:
                read = opened.read(columns=_stored(name, schema.names, columns))
        except (OSError, pa.ArrowInvalid):
            raise self._unreadable(file) from None
        if name == "observed":
            read = _named_patient(read)
        if patients is not None and "patient_id" in read.column_names:
            ids = read["patient_id"]
            keep = pc.is_in(ids if pa.types.is_string(ids.type) else ids.cast(pa.string()), value_set=patients)
            read = read.filter(keep)
        return self._whole(read, name, columns)

    def batches(self, name: str, file: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows of one of a table's files in canonical form, BATCH at a time."""
        for rows in self._batches(name, file, columns):
            yield spelled(rows)

    def _batches(self, name: str, file: Path, columns: Sequence[str], words: bool = False) -> Iterator[pa.Table]:
        """Yield the same, words as places in a list of them where that is asked for."""
        try:
            schema = pq.read_schema(file)
            stored = _stored(name, schema.names, columns)
            listed = [
                each.name for each in schema if words and each.name != "event_id" and pa.types.is_string(each.type)
            ]
            with pq.ParquetFile(file, read_dictionary=listed) as opened:
                for batch in opened.iter_batches(BATCH, columns=stored, use_threads=False):
                    yield self._settled(pa.Table.from_batches([batch]), name, columns)
        except (OSError, pa.ArrowInvalid):
            raise self._unreadable(file) from None

    def _settled(self, found: pa.Table, name: str, columns: Sequence[str] | None) -> pa.Table:
        read = _named_patient(found) if name == "observed" else found
        return self._whole(read, name, columns)

    def _whole(self, read: pa.Table, name: str, columns: Sequence[str] | None) -> pa.Table:
        """Return rows in canonical form, with what the lake knows of the items that they name."""
        shown = tuple(JOINED) if columns is None else tuple(each for each in columns if each in JOINED)
        if name != "interactions" or not shown or "contents" not in self.files:
            return canonical(read, name, None if columns is None else tuple(columns))
        if columns is None and "content_id" not in read.column_names:
            return canonical(read, name)
        wanted = None if columns is None else tuple(dict.fromkeys((*columns, "content_id", "known_at")))
        told = self._items.told(canonical(read, name, wanted), shown)
        return told if columns is None else told.select(list(columns))

    @cached_property
    def _items(self) -> Items:
        return Items(self.read("contents", CONTENT))

    def _unreadable(self, file: Path) -> InputError:
        where = f"lake {self.path.name}, {file.relative_to(self.path)}"
        return InputError("cannot be read as Parquet", where=where)


def _stored(name: str, present: Sequence[str], columns: Sequence[str] | None) -> list[str] | None:
    """Return which stored columns must be read for those wanted: all, where a row's digest names the event."""
    if columns is None:
        return None
    wanted = {*columns, *(each.name for each in TABLES[name].columns if each.required)}
    wanted |= {"patient"} if name == "observed" else set()
    wanted |= {"content_id", "known_at"} if wanted & set(JOINED) else set()
    if name in EVENT_TABLES and "event_id" in wanted and "event_id" not in present:
        return None
    return [each for each in present if each in wanted]


def _named_patient(read: pa.Table) -> pa.Table:
    """DESIGN names the column ``patient``; both names are read."""
    if "patient_id" in read.column_names or "patient" not in read.column_names:
        return read
    return read.rename_columns({"patient": "patient_id"})


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
