"""Dates as people and systems write them, read into the first and the last instant they may mean."""

from __future__ import annotations

import calendar
import functools
import re
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from features.errors import InputError
from features.instants import DAY, end_of_day, micros, moment
from features.params import general

_SEPARATED = re.compile(r"(\d{4})[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?)?月?(?:[T\s]*(.+))?")
_WORDED = re.compile(r"(\d{1,2})[- ]([A-Za-z]{3})[a-z]*\.?[- ,]\s?(\d{4})(?:[T\s]+(.+))?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TOGETHER = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[T\s]?(\d{2})(\d{2})(\d{2})?)?")
_CLOCK = re.compile(
    r"(上午|下午|晚上|凌晨|中午|AM|PM)?\s*(\d{1,2})[:时點点](?:(\d{1,2})(?:[:分](\d{1,2})?(?:\.(\d{1,6})\d*)?)?)?[分秒]?"
    r"\s*(AM|PM)?\s*(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_LATER = frozenset(("下午", "晚上", "PM"))


class When(NamedTuple):
    """The first and the last microsecond that a time may mean; a time with an hour has one only."""

    first: int
    last: int


def zone_named(name: str | None, where: str = "--zone") -> ZoneInfo:
    """Return the zone of that name; of None the one in params.yaml.

    Raises
    ------
    InputError
        No such zone.
    """
    if name is None:
        return general().zone
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InputError(f"no time zone '{name}'", where=where, remedy="write Asia/Shanghai, say") from None


def written(value: Any, zone: ZoneInfo) -> When | None:
    """Read a date or a time.

    ``2024-03-05``, ``2024/3/5 08:10``, ``2024.3.5``, ``20240305``, ``20240305081000``, ``2024年3月5日``,
    ``2024年3月5日 下午2时10分``, ``05-Mar-2024``, ISO 8601 with or without an offset, a date or datetime of Parquet or
    Excel. Without an offset it stands in ``zone``; a bare date or month is the whole of it.

    Raises
    ------
    ValueError
        It cannot be read.
    """
    if value is None:
        return None
    if isinstance(value, datetime):
        return _instant(value, zone)
    if isinstance(value, date):
        return _day(value, zone)
    return _written(str(value).strip(), zone)


def dated(day: Any, time: Any, zone: ZoneInfo) -> When | None:
    """Read a date column beside a datetime column, as OMOP has them: midnight says that the hour is unknown."""
    stated = written(time, zone)
    if stated is None:
        return written(day, zone)
    if stated.first != stated.last:
        return stated
    local = moment(stated.first).astimezone(zone)
    if (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0):
        return _day(local.date(), zone)
    return stated


@functools.lru_cache(maxsize=65_536)
def _written(text: str, zone: ZoneInfo) -> When:
    try:
        if found := _TOGETHER.fullmatch(text):
            day, clock = (int(found[1]), int(found[2]), int(found[3])), found[4]
            if clock is None:
                return _day(date(*day), zone)
            return _instant(datetime(*day, int(clock), int(found[5]), int(found[6] or 0)), zone)
        if found := _SEPARATED.fullmatch(text):
            return _separated(found[1], found[2], found[3], found[4], zone)
        if (found := _WORDED.fullmatch(text)) and found[2].lower() in _MONTHS:
            month = _MONTHS.index(found[2].lower()) + 1
            return _separated(found[3], str(month), found[1], found[4], zone)
    except (OverflowError, ValueError):
        pass
    raise ValueError("the time cannot be read")


def _separated(year: str, month: str, day: str | None, clock: str | None, zone: ZoneInfo) -> When:
    if day is None:
        if clock:
            raise ValueError("the time cannot be read")
        last = calendar.monthrange(int(year), int(month))[1]
        start = end_of_day(date(int(year), int(month), 1), zone) + 1 - DAY
        return When(start, end_of_day(date(int(year), int(month), last), zone))
    bare = date(int(year), int(month), int(day))
    if not clock:
        return _day(bare, zone)
    found = _CLOCK.fullmatch(clock.strip())
    if not found:
        raise ValueError("the time cannot be read")
    before, hour, minute, second, fraction, after, offset = found.groups()
    half = (before or after or "").upper()
    at = int(hour)
    if half in _LATER and at < 12:
        at += 12
    elif half in ("AM", "凌晨", "上午") and at == 12:
        at = 0
    micro = int((fraction or "0").ljust(6, "0"))
    read = datetime(bare.year, bare.month, bare.day, at, int(minute or 0), int(second or 0), micro)
    if offset:
        read = datetime.fromisoformat(read.isoformat() + ("+00:00" if offset in "Zz" else offset))
    return _instant(read, zone)


@functools.lru_cache(maxsize=65_536)
def _day(day: date, zone: ZoneInfo) -> When:
    try:
        return When(end_of_day(day, zone) + 1 - DAY, end_of_day(day, zone))
    except OverflowError:
        raise ValueError("the year is out of range") from None


def _instant(read: datetime, zone: ZoneInfo) -> When:
    at = micros(read if read.tzinfo else read.replace(tzinfo=zone))
    return When(at, at)
