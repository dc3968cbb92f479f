"""Files of an OMOP CDM: found by the names of their tables, in any letter case, CSV or Parquet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from features.errors import InputError
from features.sources.sheet import ENDINGS, Sheet, sheets

TABLES = (
    "person",
    "visit_occurrence",
    "condition_occurrence",
    "measurement",
    "observation",
    "drug_exposure",
    "death",
    "observation_period",
    "payer_plan_period",
    "cost",
    "care_site",
    "concept",
    "concept_ancestor",
    "concept_relationship",
)
"""Tables that are read; a folder of files may stand for one of them."""

_PREFIX = re.compile(r"^\d+[a-z]?_")


class Cdm:
    """The tables of one folder.

    Parameters
    ----------
    folder
        Where they are, at any depth: ``person.csv``, ``PERSON.parquet``, ``person/part-0.parquet``,
        ``2b_concept.csv.gz``.

    Raises
    ------
    InputError
        There is no such folder, or no person table in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        found: dict[str, list[Sheet]] = {}
        self.others: dict[str, list[Path]] = {}
        self.strange: list[str] = []
        for path in sheets(folder, "expected the CDM's tables as CSV or Parquet, person among them"):
            name = self._table(path)
            if name in TABLES:
                found.setdefault(name, []).append(Sheet(path, str(path.relative_to(folder))))
            else:
                self.others.setdefault(name, []).append(path)
        self.sheets = {name: tuple(each) for name, each in found.items()}
        if "person" not in self.sheets:
            raise InputError("no person table", where=str(folder), given="person", known=tuple(self.others))

    def __contains__(self, name: object) -> bool:
        return name in self.sheets

    def rows(
        self, name: str, columns: tuple[str, ...], required: int = 0
    ) -> Iterator[tuple[str, int, tuple[Any, ...]]]:
        """Yield file, row and values of a table's rows; a column that it lacks is None.

        A file that has none of the columns (a placeholder, as some exports write for an empty table)
        is not read and named in ``strange``.

        Parameters
        ----------
        required
            How many of the first columns must be there.

        Raises
        ------
        InputError
            One of those is not, or a file cannot be read to its end.
        """
        for sheet in self.sheets.get(name, ()):
            held = {column.lower(): column for column in sheet.columns}
            if name != "person" and not held.keys() & set(columns):
                self.strange.append(sheet.where)
                continue
            for column in columns[:required]:
                if column not in held:
                    raise InputError(f"has no column '{column}'", where=sheet.where, given=column, known=tuple(held))
            for row, values in sheet.rows([held.get(column) for column in columns]):
                yield sheet.where, row, values

    def size(self, name: str) -> int | None:
        """Return how many rows a table has, None where that is known only by reading it."""
        sizes = [sheet.size for sheet in self.sheets.get(name, ())]
        return None if None in sizes else sum(each for each in sizes if each is not None)

    def _table(self, path: Path) -> str:
        name = path.name.lower()
        ending = next(each for each in sorted(ENDINGS, key=len, reverse=True) if name.endswith(each))
        bare = _PREFIX.sub("", name.removesuffix(ending))
        parent = _PREFIX.sub("", path.parent.name.lower())
        return parent if bare not in TABLES and parent in TABLES and path.parent != self.folder else bare


def named(value: Any) -> str | None:
    """Return a key as text: whole numbers kept as decimals lose their fraction, an empty one is None."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value.removesuffix(".0")
    return str(int(value)) if value == int(value) else str(value)


def identity(value: Any) -> str | None:
    """Return a concept or visit id as text; 0, which says that there is none, is None."""
    text = named(value)
    return None if text == "0" else text
