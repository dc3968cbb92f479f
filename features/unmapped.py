"""Codes of a lake that no codelist holds, with the entries whose names come nearest."""

from __future__ import annotations

import csv
import difflib
import functools
import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.codemap import HEADER
from features.codes import all_codelists
from features.coding import codelist_of
from features.errors import InputError
from features.schema import TABLES

_COLUMNS = ("code_system", "code", "display", "unit")
_WORD = re.compile(r"[a-z0-9]{3,}|[\u4e00-\u9fff]")
_KINDS = {
    "diagnoses": ("diagnosis",),
    "family_history": ("diagnosis",),
    "observations": ("observation",),
    "prescriptions": ("medicine",),
}


def write_unmapped(lake: Path, out: Path) -> tuple[int, int]:
    """Write the unmapped codes of a lake as CSV, most frequent first, and return (codes, rows).

    The columns of ``codemap.csv`` come first, the targets to be filled in by a reviewer; then the
    number of rows and the three nearest codelist entries by name (``near_1`` to ``near_3``).

    Raises
    ------
    InputError
        The folder holds no table with codes.
    """
    found = _unmapped(lake)
    out.parent.mkdir(parents=True, exist_ok=True)
    waiting = out.with_name(f".{out.name}.part")
    with waiting.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*HEADER, "table", "rows", "near_1", "near_2", "near_3"))
        ordered = sorted(found.items(), key=lambda each: (-each[1], tuple(str(part) for part in each[0])))
        for (table, system, code, display, unit), rows in ordered:
            near = nearest(table, display or code or "")
            stated = (system or "", code or "", display or "", unit or "")
            writer.writerow((*stated, "", "", "", "", "", table, rows, *near))
    waiting.replace(out)
    return len(found), sum(found.values())


def nearest(table: str, name: str) -> list[str]:
    """Return the three codelist entries of the table's kind whose zh or en name comes nearest.

    Nearest by the share of words in common, then by the likeness of the letters. Drug codes of a
    package (NDC) are left out: a medicine is mapped to its ingredient or its class.
    """
    likeness: dict[str, float] = {}
    matcher = difflib.SequenceMatcher(a="", b=name.lower(), autojunk=False)
    words = set(_WORD.findall(name.lower()))
    for word, entry in _names(_KINDS[table]):
        matcher.set_seq1(word)
        own = set(_WORD.findall(word))
        score = 2 * len(words & own) / max(len(words | own), 1) + matcher.ratio()
        likeness[entry] = max(score, likeness.get(entry, 0.0))
    return sorted(likeness, key=lambda entry: (-likeness[entry], entry))[:3]


@functools.cache
def _names(kinds: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (word.lower(), f"{each.name}: {system} {code} {zh} {en}")
        for each in all_codelists()
        if each.kind in kinds
        for (system, code), (zh, en) in sorted(each.names.items())
        if system != "NDC"
        for word in (zh, en)
    )


def _unmapped(lake: Path) -> Counter[tuple[str, str | None, str | None, str | None, str | None]]:
    found: Counter[tuple[str, str | None, str | None, str | None, str | None]] = Counter()
    tables = [name for name, table in TABLES.items() if table.clinical and (lake / name).is_dir()]
    if not tables:
        raise InputError("no table with codes", where=str(lake), remedy="give the folder of a lake")
    for name in tables:
        for path in sorted((lake / name).rglob("*.parquet")):
            with pq.ParquetFile(path) as file:
                columns = [column for column in _COLUMNS if column in file.schema_arrow.names]
                for batch in file.iter_batches(columns=columns):
                    counted = pa.Table.from_batches([batch]).group_by(columns).aggregate([([], "count_all")])
                    for row in counted.to_pylist():
                        key = (row.get("code_system"), row.get("code"))
                        if codelist_of(*key) is None:
                            found[(name, *key, row.get("display"), row.get("unit"))] += row["count_all"]
    return found
