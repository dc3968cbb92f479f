"""The column ``at`` of a table as instants."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import InputError
from features.instants import parse

if TYPE_CHECKING:
    import pandas as pd

_NAIVE = re.compile(r"\d{4}-\d{2}-\d{2}[ T][\d:.]+")


def instants(column: pd.Series, where: str) -> np.ndarray:
    """Return (n,) UTC microseconds: times, or texts as ``features.instants.parse`` reads them.

    A bare date is the end of that day in params.timezone; a time without an offset is UTC, as in a lake.

    Parameters
    ----------
    where
        What the column stands in, for the error.

    Raises
    ------
    InputError
        A value is null or is no time; how many are, not what they are.
    """
    import pandas as pd

    remedy = "write 2025-06-30, or 2025-06-30T08:00:00+08:00"
    if missing := int(column.isna().sum()):
        raise InputError(f"{missing} of {len(column)} values are null", where=f"{where}, column at", remedy=remedy)
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True).astype("datetime64[us, UTC]").astype("int64").to_numpy()
    places, texts = pd.factorize(column.map(_text))
    found, wrong = np.zeros(len(texts), dtype=np.int64), np.zeros(len(texts), dtype=bool)
    for number, text in enumerate(texts):
        try:
            found[number] = parse(f"{text}+00:00" if _NAIVE.fullmatch(text) else text)
        except (InputError, OverflowError):
            wrong[number] = True
    if wrong.any():
        what = f"{int(wrong[places].sum())} of {len(column)} values are no times"
        raise InputError(what, where=f"{where}, column at", remedy=remedy)
    return found[places]


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value).strip()
