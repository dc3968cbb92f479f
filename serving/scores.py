"""A table of scores: the columns, and the file formats that it is handed over in."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.instants import DAY
from features.params import section
from training.split import SplitValues

Format = Literal["ndjson", "csv", "parquet"]
MOST_REASONS = 4
_INSTANT = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [
        ("decision_id", pa.string()),
        ("patient_id", pa.string()),
        ("at", _INSTANT),
        ("task", pa.string()),
        ("horizon_days", pa.int64()),
        ("probability", pa.float64()),
        ("band", pa.string()),
        ("refused", pa.string()),
        ("model_version", pa.string()),
        ("model_digest", pa.string()),
        ("vector_spec", pa.string()),
        ("label_due_at", _INSTANT),
        *((f"reason_{number}", pa.string()) for number in range(1, MOST_REASONS + 1)),
    ]
)
"""``at`` the landmark; ``label_due_at`` when the time at risk is over and its reports are in; reasons by code."""
_TIMES = ("at", "label_due_at")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rows(answers: Iterable[Mapping[str, Any]], specs: Mapping[str, str], at: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each decision of some answers.

    Parameters
    ----------
    answers
        As ``/v1/score`` gives them.
    specs
        Task -> digest of the vector that its model reads.
    at
        The landmark, UTC microseconds.
    """
    lag = section("split", SplitValues).reporting_lag_days
    for answer in answers:
        for decision in answer["decisions"]:
            model, reasons = decision["model"], [each["code"] for each in decision["reasons"]]
            yield {
                "decision_id": decision["decision_id"],
                "patient_id": answer["patient_id"],
                "at": at,
                "task": decision["task"],
                "horizon_days": decision["horizon_days"],
                "probability": decision["probability"],
                "band": decision["band"],
                "refused": decision["refused"]["code"] if decision.get("refused") else None,
                "model_version": model["version"],
                "model_digest": model["digest"],
                "vector_spec": specs[decision["task"]],
                "label_due_at": at + (decision["horizon_days"] + lag) * DAY,
                **{
                    f"reason_{number + 1}": reasons[number] if number < len(reasons) else None
                    for number in range(MOST_REASONS)
                },
            }


def table(found: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows as a table."""
    return pa.Table.from_pylist(list(found), schema=SCHEMA)


def write(parts: Iterable[pa.Table], file: Path, kind: Format) -> None:
    """Write tables into one file, all or nothing.

    CSV is UTF-8 with a byte order mark; a cell that a spreadsheet would run as a formula begins
    with an apostrophe.
    """
    fresh = file.with_name(file.name + ".new")
    if kind == "parquet":
        with pq.ParquetWriter(fresh, SCHEMA) as into:
            for part in parts:
                into.write_table(part)
    else:
        with fresh.open("wb") as out:
            if kind == "csv":
                out.write(b"\xef\xbb\xbf" + _line(SCHEMA.names))
            for part in parts:
                for row in part.to_pylist():
                    told = {name: value.isoformat() if name in _TIMES else value for name, value in row.items()}
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


def highest(whole: pa.Table, top: int) -> pa.Table:
    """Return the scored rows of each task with the ``top`` highest probabilities, highest first."""
    kept = [
        part.sort_by([("probability", "descending"), ("patient_id", "ascending")]).slice(0, top)
        for task in whole["task"].unique().to_pylist()
        for part in [whole.filter((pc.field("task") == task) & pc.field("probability").is_valid())]
    ]
    return pa.concat_tables(kept) if kept else whole.slice(0, 0)


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _line(cells: Iterable[Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()
