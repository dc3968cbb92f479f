"""The rows of one table made ready for the sweep: ordered, dated, and sorted into signatures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.arrange import arrange
from features.axis import Read, joined, numbered, numbers
from features.canonical import canonical
from features.made import complete
from features.program import EVENT_COLUMNS, Program
from features.roster import Roster, text, whole

_GRID = 256
"""So many signatures are not worth a look which of them occur."""


@dataclass(frozen=True)
class Rows:
    """Rows by patient, time and event_id; void rows and those that no selection wants are gone.

    Attributes
    ----------
    starts
        (patients + 1,) where each patient's rows begin.
    time, known, until
        (n,) UTC microseconds: when it happened, from when it is visible, from when no more.
    signature
        (n,) place in ``passes``.
    values
        (columns, n) floats; ids where a column is counted distinct; null is NaN.
    origin
        (n,) row of the table that was given.
    passes
        (signatures, selections) whether a row passes.
    ids
        (columns + 1,) number of different ids, 0 where a column holds numbers; the last is that of no column.
    """

    starts: np.ndarray
    time: np.ndarray
    known: np.ndarray
    until: np.ndarray
    signature: np.ndarray
    values: np.ndarray
    origin: np.ndarray
    passes: np.ndarray
    ids: np.ndarray


def rows(found: pa.Table | None, program: Program, patients: Roster) -> Rows:
    """Prepare the rows of the given patients.

    Parameters
    ----------
    found
        The canonical table; optional columns may be absent. None for a table that is not there.
    program
        What will be computed from it.
    patients
        Who is asked about; rows of others are left out.
    """
    if found is None or not found.num_rows:
        return _none(program, len(patients))
    patient = patients.places(found["patient_id"])
    own = np.flatnonzero(patient >= 0)
    few = len(own) < 0.75 * len(patient)
    if few:
        found, patient = found.take(pa.array(own)), patient[own]
    read = _read(found, program)
    time, known, version = (_longs(read[name]) for name in ("time", "known_at", "version"))
    if read["known_at"].null_count:
        patient = np.where(read["known_at"].is_valid().to_numpy(), patient, np.int32(-1))
    at, words = text(whole(read["event_id"]))
    rank = np.zeros(len(time), np.int32)
    order, starts, until, tied = arrange(patient, len(patients), time, known, version, rank, at, words)
    if tied:
        order, starts, until, _ = arrange(patient, len(patients), time, known, version, _rank(read), at, words)
    signature, passes = _signatures(read, program)
    keep = ~read["void"].to_numpy() & (until > known)
    if read["time"].null_count:
        keep &= read["time"].is_valid().to_numpy()
    if program.table != "patients":
        keep &= np.asarray(passes.any(axis=1))[signature]
    kept = order[keep[order]]
    counts = np.concatenate(([0], np.cumsum(keep[order])))
    values = np.empty((len(program.values), len(kept)))
    ids = np.zeros(len(program.values) + 1, np.int64)
    for (name, distinct), place in program.values.items():
        values[place], ids[place] = _value(read[name], distinct, kept)
    return Rows(
        starts=counts[starts],
        time=time[kept],
        known=known[kept],
        until=until[kept],
        signature=signature[kept],
        values=values,
        origin=own[kept] if few else kept,
        passes=passes,
        ids=ids,
    )


def _none(program: Program, patients: int) -> Rows:
    """Return no rows, of any patient."""
    longs = np.empty(0, np.int64)
    return Rows(
        starts=np.zeros(patients + 1, np.int64),
        time=longs,
        known=longs,
        until=longs,
        signature=np.empty(0, np.int32),
        values=np.empty((len(program.values), 0)),
        origin=longs,
        passes=np.empty((0, len(program.selections)), dtype=bool),
        ids=np.zeros(len(program.values) + 1, np.int64),
    )


def _read(found: pa.Table, program: Program) -> Read:
    """Return the columns that are needed, in canonical form; those absent are null."""
    present = set(found.column_names)
    read = {name: found.column(name) for name in program.columns if name in present}
    ready = present.issuperset(EVENT_COLUMNS) and all(_fits(read[name].type, program.kinds[name]) for name in read)
    if not ready or any(read[name].null_count for name in ("known_at", "event_id", "version", "void")):
        settled = canonical(found, program.table, program.columns)
        read = {name: settled.column(name) for name in program.columns}
    else:
        size = found.num_rows
        read = {
            name: read[name] if name in read else pa.chunked_array([pa.nulls(size, kind)])
            for name, kind in program.kinds.items()
        }
    complete(program.table, read, program.wanted)
    return read


def _fits(kind: pa.DataType, wanted: pa.DataType) -> bool:
    return kind == wanted or (pa.types.is_string(wanted) and pa.types.is_dictionary(kind))


def _longs(column: pa.ChunkedArray) -> np.ndarray:
    one = whole(column)
    plain = one.cast(pa.int64()).fill_null(0) if one.null_count else one
    return plain.to_numpy(zero_copy_only=False).view(np.int64)


def _rank(read: Read) -> np.ndarray:
    """Rank rows by what they hold, for versions that nothing else tells apart; equal rows need no order."""
    plain = {name: _plain(read[name]) for name in sorted(read, key=lambda name: (name != "void", name != "time", name))}
    order = pc.sort_indices(pa.table(plain), sort_keys=[(name, "ascending") for name in plain]).to_numpy()
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column in a form that can be sorted."""
    if pa.types.is_list(column.type):
        return joined(column)
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    return column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column


def _signatures(read: Read, program: Program) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's (n,) signature, and (signatures, selections) what passes."""
    parts = [(axis.classes(read), axis.passes()) for axis in program.axes]
    joint, size = np.zeros(len(read["patient_id"]), np.int64), 1
    for classes, passes in parts:
        joint = joint * len(passes) + classes
        size *= len(passes)
    if size <= _GRID:
        return joint.astype(np.int32), program.grid(tuple(passes for _, passes in parts))
    if size <= 4 * len(joint) + 4096:
        present = np.flatnonzero(np.bincount(joint))
        place = np.empty(size, np.int32)
        place[present] = np.arange(len(present), dtype=np.int32)
        signature: np.ndarray = place[joint]
    else:
        present, signature = np.unique(joint, return_inverse=True)
    passing = np.ones((len(present), len(program.selections)), dtype=bool)
    rest = present
    for _, passes in reversed(parts):
        rest, classes = np.divmod(rest, len(passes))
        passing &= passes[classes]
    return signature.astype(np.int32), passing


def _value(column: pa.ChunkedArray, distinct: bool, kept: np.ndarray) -> tuple[np.ndarray, int]:
    if not distinct:
        return numbers(column)[kept], 0
    if pa.types.is_string(column.type) or pa.types.is_dictionary(column.type):
        places, words = numbered(column)
        found = places[kept].astype(np.float64)
        found[found < 0] = np.nan
        return found, len(words)
    given = numbers(column)[kept]
    present = ~np.isnan(given)
    levels, places = np.unique(given[present], return_inverse=True)
    found = np.full(len(given), np.nan)
    found[present] = places
    return found, len(levels)
