"""Columns of a table as numpy arrays, and back: a missing instant or integer is MISSING, a missing number NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from features.instants import iso
from features.quality import MISSING


def plain(column: pa.Array) -> np.ndarray:
    """Return an Arrow column as a writable array: int64, float64, or objects with None."""
    if pa.types.is_int64(column.type):
        return column.fill_null(MISSING).to_numpy(zero_copy_only=False).copy()
    if pa.types.is_float64(column.type):
        return column.fill_null(np.nan).to_numpy(zero_copy_only=False).copy()
    return column.to_numpy(zero_copy_only=False).astype(object)


def arrow(values: np.ndarray, kind: pa.DataType) -> pa.Array:
    """Return an array as an Arrow column of a canonical type."""
    if pa.types.is_timestamp(kind) or pa.types.is_int64(kind):
        return pa.array(values, pa.int64(), mask=values == MISSING).cast(kind)
    if pa.types.is_float64(kind):
        return pa.array(values, kind, mask=np.isnan(values))
    return pa.array(values.tolist(), kind)


def told(value: Any, kind: str) -> Any:
    """Return one cell as JSON writes it; an instant as RFC 3339."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value == MISSING or value != value:
        return None
    return iso(value) if kind == "instant" else value
