"""Instants: UTC microseconds since 1970 as plain integers, and how people write them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from features.errors import InputError
from features.params import general

DAY = 86_400_000_000
_BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """Return a zone-aware datetime as UTC microseconds."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(instant: int) -> datetime:
    """Return UTC microseconds as a zone-aware datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def end_of_day(day: date, zone: ZoneInfo) -> int:
    """Return the last microsecond of a day in a zone: when a bare date is over."""
    return micros(datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)) - 1


def parse(text: str, zone: ZoneInfo | None = None) -> int:
    """Read ``2025-06-30`` (the end of that day in params.timezone) or an RFC 3339 time with offset.

    Raises
    ------
    InputError
        Anything else, a time without an offset among them.
    """
    remedy = "write 2025-06-30, or 2025-06-30T08:00:00+08:00"
    try:
        if _BARE_DATE.fullmatch(text):
            return end_of_day(date.fromisoformat(text), zone or general().zone)
        read = datetime.fromisoformat(text)
    except ValueError:
        raise InputError("cannot read the time", where="instant", remedy=remedy) from None
    if read.tzinfo is None:
        raise InputError("the time has no offset", where="instant", remedy=remedy)
    return micros(read)


def iso(instant: int) -> str:
    """Write UTC microseconds as RFC 3339 with offset."""
    return moment(instant).isoformat()


def wall_clock(instants: np.ndarray, zone: ZoneInfo) -> np.ndarray:
    """Return (n,) UTC microseconds as what the clocks of a zone show, (n,) datetime64[us]."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return np.asarray(pc.local_timestamp(pa.array(instants, pa.timestamp("us", tz=str(zone)))))


def local_day(instants: np.ndarray) -> np.ndarray:
    """Return the (n,) days since 1970 that UTC microseconds fall on in the zone of params.yaml."""
    return wall_clock(instants, general().zone).astype("datetime64[D]").astype(np.int64)


def day(text: str, zone: ZoneInfo) -> str:
    """Return the day that an RFC 3339 time falls on in a zone."""
    return datetime.fromisoformat(text).astimezone(zone).date().isoformat()
