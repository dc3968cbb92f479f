"""Tables drawn with bars, and one question asked of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from features.group import FeatureGroup
from features.history import Reduction, Selection
from features.plan import compile_plan
from features.schema import ARROW, table


def instant(text: str) -> int:
    """Read ``2024-03-01`` (midnight UTC) or ``2024-03-01T12:30``."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def drawn(name: str, text: str) -> pa.Table:
    """Read a table drawn with bars: a line of columns, a line an event; a blank is a null.

    Who draws no patient_id means patient ``p``; who draws no event_id numbers the lines.
    """
    header, *lines = ([part.strip() for part in line.split("|")] for line in text.strip().splitlines())
    columns: dict[str, Any] = {}
    for at, column in enumerate(header):
        kind = table(name).column(column).kind
        columns[column] = pa.array([cell(line[at], kind) for line in lines], ARROW[kind])
    columns.setdefault("patient_id", pa.array(["p"] * len(lines), pa.string()))
    if name != "observed":
        columns.setdefault("event_id", pa.array([f"e{at}" for at in range(len(lines))], pa.string()))
    return pa.table(columns)


def cell(text: str, kind: str) -> Any:
    if not text:
        return None
    read: dict[str, Callable[[str], Any]] = {
        "instant": instant,
        "string": str,
        "float": float,
        "int": int,
        "bool": lambda word: word == "true",
    }
    return read[kind](text)


def ask(feature: Callable[[Selection], Reduction], at: str, **tables: str) -> float:
    """Return one feature of patient ``p``; it is declared over the first table drawn."""
    source = next(iter(tables))
    group = FeatureGroup("asked", source, ("care_followup",), "a test", "visits", {"it": feature(Selection(source))})
    read = {name: drawn(name, text) for name, text in tables.items()}
    return float(compile_plan([group]).vectors(read, ["p"], np.array([instant(at)]))[0, 0])
