"""Unit conversion: from how a source writes a result to the unit of its codelist."""

from __future__ import annotations

import functools
import re
import unicodedata

from features.codes.codelist import FOLDER, codelist, rows
from features.errors import InputError

_SPELLING = {
    "mm[hg]": "mmhg",
    "毫米汞柱": "mmhg",
    "bpm": "/min",
    "次/分": "/min",
    "公斤": "kg",
    "厘米": "cm",
    "℃": "cel",
}


def convert(name: str, unit: str | None) -> tuple[float, float] | None:
    """Return ``(factor, offset)`` so that ``value * factor + offset`` stands in the codelist's unit.

    Parameters
    ----------
    name
        Codelist.
    unit
        As the source writes it: case, blanks, braces and the spelling of micro do not matter.

    Returns
    -------
    tuple or None
        None where no conversion is known, a missing unit among them.

    Raises
    ------
    InputError
        No such codelist.
    """
    target = codelist(name).unit
    if not unit or not target:
        return None
    given = _spell(unit)
    return (1.0, 0.0) if given == _spell(target) else _table().get((name, given))


def usual_unit(system: str | None, code: str | None) -> str | None:
    """Return the unit that a code's kind of quantity is usually written in, for sources that carry no unit.

    A LOINC code names the kind: 2345-7 is glucose as mass concentration (mg/dL), 14749-6 as substance
    concentration (mmol/L). None of a code that says nothing of the kind.
    """
    return _usual().get((system or "", code or ""))


@functools.cache
def _usual() -> dict[tuple[str, str], str]:
    columns = ("code_system", "code", "unit", "basis")
    return {(system, code): unit for _, (system, code, unit, _) in rows(FOLDER / "usual_units.csv", columns)}


@functools.cache
def _table() -> dict[tuple[str, str], tuple[float, float]]:
    table: dict[tuple[str, str], tuple[float, float]] = {}
    columns = ("codelist", "unit_from", "factor", "offset", "provenance")
    for line, (name, unit, factor, offset, _) in rows(FOLDER / "units.csv", columns):
        try:
            table[(codelist(name).name, _spell(unit))] = (float(factor), float(offset))
        except ValueError as error:
            raise InputError(str(error), where=f"units.csv line {line}") from None
    return table


@functools.cache
def _spell(unit: str) -> str:
    plain = unicodedata.normalize("NFKC", unit).replace("μ", "u").replace("µ", "u").lower()
    plain = re.sub(r"[\s{}_^]", "", plain).replace("10*", "10e").replace("x10e", "10e").replace("×10e", "10e")
    return _SPELLING.get(plain, plain)
