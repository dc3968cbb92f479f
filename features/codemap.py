"""A lake's own code map: local codes to codes that codelists know, filled in by a reviewer.

``codemap.csv`` in the lake's folder: code_system, code, display, unit, to_system, to_code, unit_to,
reviewer, date; further columns are not read. ``python -m features codes --unmapped`` writes one to
be filled in; a line without to_code is not filled in yet.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from features.errors import InputError

FILE = "codemap.csv"
HEADER = ("code_system", "code", "display", "unit", "to_system", "to_code", "unit_to", "reviewer", "date")


@dataclass(frozen=True)
class Codemap:
    """Targets by (code_system, code), and unit spellings by (code_system, code, unit)."""

    targets: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    units: dict[tuple[str, str, str], str] = field(default_factory=dict)
    digest: str | None = None

    def apply(
        self, systems: np.ndarray, codes: np.ndarray, units: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return systems, codes and units with the map applied; what it does not name stays."""
        if not self.targets:
            return systems, codes, units
        systems, codes, units = systems.copy(), codes.copy(), units.copy()
        for row, (system, code, unit) in enumerate(zip(systems, codes, units)):
            target = self.targets.get((system or "", code or ""))
            if target:
                systems[row], codes[row] = target
                units[row] = self.units.get((system or "", code or "", unit or ""), unit)
        return systems, codes, units


def read_codemap(lake: Path) -> Codemap:
    """Read the lake's code map; an empty one where there is none.

    Raises
    ------
    InputError
        A column is missing, a target without its system, or a code mapped twice to different codes.
    """
    path = lake / FILE
    if not path.is_file():
        return Codemap()
    targets: dict[tuple[str, str], tuple[str, str]] = {}
    units: dict[tuple[str, str, str], str] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for name in HEADER:
            if name not in (reader.fieldnames or ()):
                raise InputError(f"column '{name}' is missing", where=FILE, remedy=f"write {','.join(HEADER)}")
        for row in reader:
            told = {name: (row[name] or "").strip() for name in HEADER}
            if not told["to_code"]:
                continue
            where, key = f"{FILE} line {reader.line_num}", (told["code_system"], told["code"])
            if not told["to_system"]:
                raise InputError("to_code without to_system", where=where)
            target = told["to_system"], told["to_code"]
            if targets.setdefault(key, target) != target:
                raise InputError("the code is mapped twice, to different codes", where=where, remedy="keep one")
            if told["unit_to"]:
                units[(*key, told["unit"])] = told["unit_to"]
    return Codemap(targets, units, hashlib.sha256(path.read_bytes()).hexdigest())
