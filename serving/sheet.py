"""A sheet: rows of one schema as a file, in the formats that it is handed over in."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

Format = Literal["ndjson", "csv", "parquet"]
INSTANT = pa.timestamp("us", "UTC")
MOST_REASONS = 4
REASONS = tuple(f"reason_{number}" for number in range(1, MOST_REASONS + 1))
"""Columns of the reasons, by code."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def reasons(told: Iterable[Mapping[str, Any]]) -> dict[str, str | None]:
    """Return the codes of the first reasons by column; None where there are fewer."""
    codes = [each["code"] for each in told]
    return {name: codes[place] if place < len(codes) else None for place, name in enumerate(REASONS)}


def table(found: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table."""
    return pa.Table.from_pylist(list(found), schema=schema)


def write(parts: Iterable[pa.Table], schema: pa.Schema, file: Path, kind: Format) -> None:
    """Write tables into one file, all or nothing.

    CSV is UTF-8 with a byte order mark; a cell that a spreadsheet would run as a formula begins
    with an apostrophe, ids of a list are apart by a space.
    """
    fresh = file.with_name(file.name + ".new")
    if kind == "parquet":
        with pq.ParquetWriter(fresh, schema) as into:
            for part in parts:
                into.write_table(part)
    else:
        with fresh.open("wb") as out:
            if kind == "csv":
                out.write(b"\xef\xbb\xbf" + _line(schema.names))
            for part in parts:
                for row in part.to_pylist():
                    told = {
                        name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()
                    }
                    out.write(_line(map(_safe, told.values())) if kind == "csv" else orjson.dumps(told) + b"\n")
    fresh.replace(file)


def measured(file: Path, kind: Format) -> dict[str, Any]:
    """Return the SHA-256, the rows and the bytes of a file that `write` wrote."""
    if kind == "parquet":
        count = pq.read_metadata(file).num_rows
    elif kind == "csv":
        with file.open(encoding="utf-8-sig", newline="") as lines:
            count = sum(1 for _ in csv.reader(lines)) - 1
    else:
        with file.open("rb") as lines_:
            count = sum(1 for _ in lines_)
    with file.open("rb") as written:
        return {
            "sha256": hashlib.file_digest(written, "sha256").hexdigest(),
            "rows": count,
            "bytes": file.stat().st_size,
        }


def _safe(value: Any) -> Any:
    value = " ".join(value) if isinstance(value, list) else value
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _line(cells: Iterable[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()
