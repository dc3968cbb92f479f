"""GB/T 2260: the six-digit code of a county, from a code or from the names in an address."""

from __future__ import annotations

import csv
import functools
from typing import NamedTuple

from features.codes.codelist import FOLDER

FILE = FOLDER / "regions" / "gb2260_201710.csv"


class Region(NamedTuple):
    """One division: its name, and the shorter one that addresses use."""

    code: str
    name: str
    short: str


def region_code(*parts: str | None) -> str | None:
    """Return the code of the smallest division that a code or an address names.

    Parameters
    ----------
    parts
        A six-digit code, or an address in one text or in its parts, the province first: ``北京市朝阳区``.

    Returns
    -------
    str or None
        None where nothing is recognised, or a county of that name lies in several provinces and the
        address names none of them.
    """
    told = [part.strip() for part in parts if part and part.strip()]
    code = next((part for part in reversed(told) if part.isdigit() and _of(part)), None)
    return code or (_of("".join(told)) if told else None)


@functools.lru_cache(maxsize=65_536)
def _of(text: str) -> str | None:
    if text.isdigit():
        return text if any(each.code == text for each in _regions()) else None
    found: Region | None = None
    rest = text
    for level in ("0000", "00", ""):
        inside = [each for each in _regions() if _level(each.code) == level and _within(each, found)]
        named = [each for each in inside if each.name in rest] or [each for each in inside if _shortened(each, rest)]
        longest = max((len(each.name) for each in named), default=0)
        best = [each for each in named if len(each.name) == longest]
        if len(best) > 1:
            break
        if best:
            found = best[0]
            rest = rest.partition(found.name)[2] if found.name in rest else rest.removeprefix(found.short)
    return found.code if found else None


def _shortened(region: Region, text: str) -> bool:
    """Whether a text begins with a division's short name, and not with the longer name of another (朝阳 in 朝阳区)."""
    return text.startswith(region.short) and text[len(region.short) :][:1] not in set("省市区县州盟旗")


def _level(code: str) -> str:
    return "0000" if code.endswith("0000") else "00" if code.endswith("00") else ""


def _within(region: Region, outer: Region | None) -> bool:
    if outer is None:
        return True
    return region.code.startswith(outer.code[:2] if outer.code.endswith("0000") else outer.code[:4])


@functools.cache
def _regions() -> tuple[Region, ...]:
    with FILE.open(encoding="utf-8-sig", newline="") as file:
        return tuple(Region(row["code"], row["name"], _short(row["name"])) for row in csv.DictReader(file))


def _short(name: str) -> str:
    for ending in ("维吾尔自治区", "壮族自治区", "回族自治区", "特别行政区", "自治区", "自治州", "地区", "省", "市"):
        if name.endswith(ending) and len(name) > len(ending) + 1:
            return name[: -len(ending)]
    return name
