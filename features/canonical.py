"""Bring a table as it was found into canonical form: names stay, kinds and defaults are settled."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import InputError
from features.schema import ARROW, Column, Table, table


def canonical(found: pa.Table, name: str, columns: tuple[str, ...] | None = None) -> pa.Table:
    """Return a table with canonical kinds, and the event columns filled in by rule.

    A missing known_at is the time itself, a missing version 1, a missing void false, a missing
    event_id a digest of the whole row as it was found. Ids that are numbers become strings,
    instants UTC microseconds (without a zone they are UTC). Unknown columns are kept.

    Parameters
    ----------
    found
        Rows of one table.
    name
        Which canonical table they are.
    columns
        Which to return; None for all that were found, and the event columns.

    Raises
    ------
    InputError
        A required column is absent, or a column cannot be read as its kind.
    """
    spec = table(name)
    for column in spec.columns:
        if column.required and column.name not in found.column_names:
            raise InputError(f"has no column '{column.name}'", where=f"table {name}", known=found.column_names)
    read = {
        column.name: _cast(found[column.name], column, name) for column in spec.readable if column.name in _of(found)
    }
    read |= {each: found[each] for each in found.column_names if each not in read}
    if spec.per_patient:
        _fill(read, pa.table(read), found.num_rows, named=columns is None or "event_id" in columns)
    kept = read if columns is None else {each: read.get(each, _absent(spec, each, found.num_rows)) for each in columns}
    return pa.table(kept)


def empty(name: str) -> pa.Table:
    """Return the canonical table of that name without rows."""
    return table(name).arrow().empty_table()


def spelled(rows: pa.Table) -> pa.Table:
    """Return rows with dictionaries written out, so that those of several writers make one table."""
    for at, column in enumerate(rows.schema):
        if pa.types.is_dictionary(column.type):
            rows = rows.set_column(at, column.name, rows.column(at).cast(column.type.value_type))
    return rows


def digests(rows: pa.Table) -> pa.Array:
    """Return a digest of each row as 16 hexadecimal digits, the same whatever the order of rows or columns."""
    return pa.array([f"{value:016x}" for value in hashes(rows).tolist()], pa.string())


def hashes(rows: pa.Table) -> np.ndarray:
    """Return (n,) what `digests` writes, as 64-bit numbers."""
    from pandas.util import hash_array

    total = np.zeros(rows.num_rows, np.uint64)
    for name in sorted(rows.column_names):
        column = rows[name]
        if column.null_count == len(column):
            continue
        text = pc.binary_join(column, "\x1f") if _is_list(column.type) else column.cast(pa.string())
        values = text.combine_chunks().fill_null("").to_numpy(zero_copy_only=False).astype(object)
        salted = (hash_array(values) ^ hash_array(np.array([name], dtype=object))[0]) * np.uint64(0x9E3779B97F4A7C15)
        total += np.where(column.is_valid().to_numpy(), salted, np.uint64(0))
    return total


def _of(found: pa.Table) -> frozenset[str]:
    return frozenset(found.column_names)


def _absent(spec: Table, name: str, size: int) -> pa.Array:
    return pa.nulls(size, ARROW[spec.column(name).kind])


def _fill(read: dict[str, pa.ChunkedArray], rows: pa.Table, size: int, named: bool) -> None:
    """Settle known_at, version, void and (where events are to be named) event_id where they are absent or null."""
    if "known_at" not in read:
        read["known_at"] = read["time"]
    elif read["known_at"].null_count:
        read["known_at"] = pc.coalesce(read["known_at"], read["time"])
    for name, default in (("version", pa.scalar(1, pa.int64())), ("void", pa.scalar(False))):
        if name not in read:
            read[name] = pa.chunked_array([pa.repeat(default, size)])
        elif read[name].null_count:
            read[name] = read[name].fill_null(default)
    if not named:
        return
    if "event_id" not in read:
        read["event_id"] = pa.chunked_array([digests(rows)])
    elif read["event_id"].null_count:
        read["event_id"] = pc.coalesce(read["event_id"], digests(rows))


def _cast(found: pa.ChunkedArray, column: Column, name: str) -> pa.ChunkedArray:
    kind, target = found.type, ARROW[column.kind]
    try:
        if kind == target:
            return found
        if pa.types.is_dictionary(kind):
            if column.kind == "string" and pa.types.is_string(kind.value_type):
                return found
            return _cast(found.cast(kind.value_type), column, name)
        if column.kind == "instant":
            if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_null(kind)):
                raise pa.ArrowInvalid("not a timestamp")
            plain = found if pa.types.is_timestamp(kind) else found.cast(pa.timestamp("us"))
            if plain.type.tz is None:
                plain = plain.cast(pa.timestamp(plain.type.unit, "UTC"))
            return plain.cast(target, safe=False)
        if column.kind == "string" and pa.types.is_floating(kind):
            return found.cast(pa.int64()).cast(target)
        if column.kind == "strings" and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            return pc.split_pattern_regex(found.cast(pa.string()), r"\s*[,;|，；、]\s*")
        if column.kind == "float" and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            return found.cast(target, safe=False)
        if column.kind in {"string", "int", "bool", "strings"}:
            return found.cast(target)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    raise InputError(
        f"column '{column.name}' is a {kind}, it is read as {column.kind}",
        where=f"table {name}",
        remedy="convert it when the lake is written",
    )


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)
