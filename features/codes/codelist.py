"""Codelists: what a clinical word means in several code systems.

``index.csv`` names every list with its unit, kind and basis; ``<name>.csv`` holds its codes with our
own Chinese and English names; ``systems.csv`` says for each code system how an entry matches, where
the codes come from and under which terms they stand here.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from features.errors import InputError
from features.hospital import hospital

FOLDER = Path(__file__).parent
_ICD = {"ICD-10": ("ICD-10", "ICD-10-CM", "ICD-10-CN"), "ICD-10-CM": ("ICD-10-CM",), "ICD-9-CM": ("ICD-9-CM",)}
_PREFIX = (*_ICD, "ICD-10-CN", "ATC", "NDC")
_NO_LISTS = ("index", "systems", "units", "usual_units")
_KINDS = {"LOINC": "observation", "ATC": "medicine", "RxNorm": "medicine", "NDC": "medicine"}
_MARKS = re.compile(r"[\s.†‡*+]")
_NATIONAL_SUFFIX = re.compile(r"(?<=[0-9A-Z]{3})X\d{3}$")


def normalise(system: str, code: str) -> str:
    """Return a code as it is compared.

    In the ICD family the dot, the case, dagger and asterisk (also written ``+``) and a Chinese
    national suffix are dropped: ``E11.900x001`` is ``E11900``, ``G63.2*`` is ``G632``. A hyphenated
    NDC is brought to its eleven digits: ``0002-7510-01`` is ``00002751001``. Elsewhere surrounding
    blanks are dropped.
    """
    if system not in _PREFIX:
        return code.strip()
    if system == "NDC" and "-" in code:
        return "".join(part.zfill(size) for part, size in zip(code.strip().split("-"), (5, 4, 2)))
    bare = _MARKS.sub("", unicodedata.normalize("NFKC", code)).upper()
    return _NATIONAL_SUFFIX.sub("", bare) if system.startswith("ICD-10") else bare


@dataclass(frozen=True)
class Codelist:
    """A clinical word: its names, its unit, its codes.

    Parameters
    ----------
    name
        Identifier, unique among the codelists.
    zh, en
        What it is called.
    unit
        The unit that values are kept in (UCUM spelling where there is one); empty without values.
    entries
        ``(code system, code)`` pairs. Those of ICD, ATC and NDC match by prefix, all others exactly. An
        ICD-10 entry also matches ICD-10-CM and ICD-10-CN rows.
    kind
        diagnosis, observation or medicine.
    names
        Our own ``(zh, en)`` name of each entry.
    """

    name: str
    zh: str
    en: str
    unit: str
    entries: frozenset[tuple[str, str]]
    kind: str = ""
    names: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict, compare=False, repr=False)

    def matches(self, system: str | None, code: str | None) -> bool:
        """Return whether a row's code belongs to the list; a missing system or code never does."""
        if not system or not code:
            return False
        known = self._seen.get((system, code))
        if known is None:
            known = self._seen[(system, code)] = self._decide(system, code)
        return known

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over all that decides a value: name, unit and codes."""
        told = json.dumps([self.name, self.unit, sorted(self.entries)], ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()

    @functools.cached_property
    def _seen(self) -> dict[tuple[str, str], bool]:
        return {}

    @functools.cached_property
    def _compared(self) -> dict[str, tuple[str, ...]]:
        """Normalised codes by the system of the row they are compared with."""
        codes: dict[str, list[str]] = {}
        for system, code in sorted(self.entries):
            for other in _ICD.get(system, (system,)):
                codes.setdefault(other, []).append(normalise(system, code))
        return {system: tuple(found) for system, found in codes.items()}

    def _decide(self, system: str, code: str) -> bool:
        bare, codes = normalise(system, code), self._compared.get(system, ())
        return bare.startswith(codes) if system in _PREFIX else bare in codes


def codelist(name: str) -> Codelist:
    """Return the codelist of that name.

    Raises
    ------
    InputError
        No such list, or a line of its file that cannot be read.
    """
    known = _known()
    if name not in known:
        raise InputError(f"no codelist '{name}'", where="features.codes", given=name, known=tuple(known))
    return known[name]


def all_codelists() -> tuple[Codelist, ...]:
    """Return every codelist, in the order of the index."""
    return tuple(_known().values())


def read_codelists(folder: Path) -> dict[str, Codelist]:
    """Read a folder of codelists: one ``NAME.csv`` each, named in ``index.csv``.

    A list that the index does not name is called as its first entry is; its kind follows from the
    code system of that entry, and its values have no unit.

    Raises
    ------
    InputError
        Naming file and line: a column too few or too many, an unknown code system, a code twice.
    """
    systems = {row[0] for _, row in rows(FOLDER / "systems.csv", ("code_system", "match", "provenance", "terms"))}
    index, header = folder / "index.csv", ("name", "zh", "en", "unit", "kind", "basis")
    told: dict[str, tuple[str, ...]] = {}
    for line, (name, *rest) in rows(index, header, optional=("unit", "basis")) if index.is_file() else ():
        if name in told:
            raise InputError(f"codelist '{name}' twice", where=f"index.csv line {line}", remedy="keep one of them")
        told[name] = tuple(rest)
    alone = (file.stem for file in sorted(folder.glob("*.csv")) if file.stem not in (*told, *_NO_LISTS))
    lists: dict[str, Codelist] = {}
    for name in (*told, *alone):
        names: dict[tuple[str, str], tuple[str, str]] = {}
        for at, (system, code, zh_code, en_code) in rows(folder / f"{name}.csv", ("code_system", "code", "zh", "en")):
            where = f"{name}.csv line {at}"
            if system not in systems:
                raise InputError(f"no code system '{system}'", where=where, given=system, known=tuple(systems))
            if (system, code) in names:
                raise InputError(f"{system} {code} twice", where=where, remedy="keep one of them")
            names[(system, code)] = (zh_code, en_code)
        if not names:
            raise InputError("names no code", where=f"{name}.csv", remedy="write a line for each code, or remove it")
        (system, _), called = next(iter(names.items()))
        zh, en, unit, kind = told[name][:4] if name in told else (*called, "", _KINDS.get(system, "diagnosis"))
        lists[name] = Codelist(name, zh, en, unit, frozenset(names), kind, names)
    return lists


def rows(file: Path, header: tuple[str, ...], optional: tuple[str, ...] = ()) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield ``(line, cells)`` of a CSV file with exactly these columns.

    Raises
    ------
    InputError
        Naming file and line: another header, a cell too few or too many, an empty cell in a column
        that is not optional, text that is not UTF-8.
    """
    if not file.is_file():
        raise InputError("no such file", where=file.name, remedy=f"write one with the columns {','.join(header)}")
    try:
        with file.open(encoding="utf-8", newline="") as text:
            reader = csv.reader(text, strict=True)
            first = next(reader, [])
            if tuple(first) != header:
                raise InputError("unexpected columns", where=f"{file.name} line 1", remedy=f"write {','.join(header)}")
            for row in reader:
                where = f"{file.name} line {reader.line_num}"
                if len(row) != len(header):
                    raise InputError(f"{len(row)} cells for {len(header)} columns", where=where)
                for column, cell in zip(header, row):
                    if not cell.strip() and column not in optional:
                        raise InputError(f"'{column}' is empty", where=where)
                yield reader.line_num, tuple(cell.strip() for cell in row)
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", where=file.name, remedy="save it as UTF-8") from None
    except csv.Error as error:
        raise InputError(str(error), where=f"{file.name} line {reader.line_num}") from None


def _known() -> dict[str, Codelist]:
    """Return our lists, and the hospital's own in place of those of the same name."""
    found = hospital()
    return _joined(found.codes) if found and found.codes else _index(FOLDER)


@functools.cache
def _joined(folder: Path) -> dict[str, Codelist]:
    return _index(FOLDER) | _index(folder)


@functools.cache
def _index(folder: Path) -> dict[str, Codelist]:
    return read_codelists(folder)
