"""Reviewed reason templates: what is said of a clinical group that a score rests on.

``templates.csv`` holds every version ever used; none is deleted, so that an old decision can be
read as it was worded. A template without a reviewer, or with a word that claims a cause or a
promise, does not load.
"""

from __future__ import annotations

import functools
import hashlib
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from features.codes.codelist import rows
from features.errors import InputError

FOLDER = Path(__file__).parent
Audience = Literal["staff", "patient"]
Direction = Literal["raises", "lowers", "missing"]
PLACEHOLDERS = frozenset({"label", "value", "window", "date"})
_COLUMNS = ("id", "version", "group", "direction", "missing", "audience", "zh", "en", "author", "reviewer", "date")
_FORBIDDEN = re.compile(
    r"因为|由于|导致|引起|将会|治愈率|有效率|最|第一|\b(because|due to|caus\w*|will|cure[ds]?|best|guarante\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Template:
    """One reviewed sentence pair, in one version.

    ``missing`` marks the wording for a group of which nothing was known. Staff text may hold the
    placeholders label, value, window and date; patient text holds none.
    """

    id: str
    version: int
    group: str
    direction: Direction
    missing: bool
    audience: Audience
    zh: str
    en: str
    author: str
    reviewer: str
    date: date

    @property
    def code(self) -> str:
        """The reason code: the id without its audience."""
        return self.id.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Id and version, as a decision records them."""
        return f"{self.id}@{self.version}"

    @functools.cached_property
    def placeholders(self) -> frozenset[str]:
        return frozenset(name for _, name, _, _ in string.Formatter().parse(self.zh + self.en) if name)

    def reason(self, zh: Mapping[str, str] | None = None, en: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return ``{code, zh, en, group, direction}``, as an answer carries it.

        Parameters
        ----------
        zh, en
            Text for each placeholder, in either language.

        Raises
        ------
        InputError
            A placeholder is left without its text.
        """
        for given in (zh or {}, en or {}):
            absent = sorted(self.placeholders - set(given))
            if absent:
                raise InputError(f"nothing to put for {', '.join(absent)}", where=f"reason template {self.id}")
        return {
            "code": self.code,
            "zh": self.zh.format(**(zh or {})),
            "en": self.en.format(**(en or {})),
            "group": self.group,
            "direction": self.direction,
        }


@dataclass(frozen=True)
class Templates:
    """All templates, and the digest that a decision records."""

    all: tuple[Template, ...]
    digest: str

    def reason(self, group: str, direction: str, audience: str, *, missing: bool = False) -> Template:
        """Return the current version for a clinical group.

        Parameters
        ----------
        group
            Clinical group, or content group of a ranked item.
        direction
            raises or lowers the estimate; missing: only that nothing was known of it.
        audience
            patient (also what an outreach system is given) or staff.
        missing
            For raises and lowers: the model relied on the absence of data.

        Raises
        ------
        InputError
            No such template.
        """
        found = self._current.get((group, direction, missing or direction == "missing", audience))
        if found is None:
            known = tuple(dict.fromkeys(each.group for each in self.all))
            what = f"no reviewed template for {group}, {direction}, {audience}"
            raise InputError(what, where="serving.reasons", given=group, known=known)
        return found

    def find(self, id: str, version: int) -> Template:
        """Return one version, as an old decision recorded it."""
        for each in self.all:
            if (each.id, each.version) == (id, version):
                return each
        known = tuple(each.id for each in self.all)
        raise InputError(f"no template '{id}' version {version}", where="serving.reasons", given=id, known=known)

    @functools.cached_property
    def _current(self) -> dict[tuple[str, str, bool, str], Template]:
        latest: dict[tuple[str, str, bool, str], Template] = {}
        for each in sorted(self.all, key=lambda template: template.version):
            latest[(each.group, each.direction, each.missing, each.audience)] = each
        return latest


def read_templates(file: Path) -> Templates:
    """Read a file of templates.

    Raises
    ------
    InputError
        Naming file and line: no author or reviewer, no date, a word that claims a cause, a promise
        or a superlative, a placeholder in patient text, an id and version twice.
    """
    seen: dict[tuple[str, int], Template] = {}
    for line, cells in rows(file, _COLUMNS):
        where = f"{file.name} line {line}"
        template = _read(dict(zip(_COLUMNS, cells)), where)
        if (template.id, template.version) in seen:
            raise InputError(f"'{template.id}' version {template.version} twice", where=where, remedy="add a version")
        seen[(template.id, template.version)] = template
    return Templates(tuple(seen.values()), hashlib.sha256(file.read_bytes()).hexdigest())


@functools.cache
def templates() -> Templates:
    """Return the templates that stand."""
    return read_templates(FOLDER / "templates.csv")


def check_wording(text: str, where: str) -> None:
    """Refuse a word that claims a cause, a promise or a superlative."""
    found = _FORBIDDEN.search(text)
    if found:
        raise InputError(f"'{found.group()}' claims too much", where=where, remedy="say what the model relied on")


def _read(row: dict[str, str], where: str) -> Template:
    for column, allowed in (
        ("direction", ("raises", "lowers", "missing")),
        ("missing", ("yes", "no")),
        ("audience", ("staff", "patient")),
    ):
        if row[column] not in allowed:
            raise InputError(f"no {column} '{row[column]}'", where=where, given=row[column], known=allowed)
    if not row["version"].isdigit():
        raise InputError("the version is not a number", where=where)
    try:
        day = date.fromisoformat(row["date"])
    except ValueError:
        raise InputError("the date cannot be read", where=where, remedy="write 2026-01-31") from None
    for text in (row["zh"], row["en"]):
        check_wording(text, where)
    read: dict[str, object] = {**row, "version": int(row["version"]), "missing": row["missing"] == "yes", "date": day}
    template = Template(**read)  # type: ignore[arg-type]
    allowed_here = PLACEHOLDERS if template.audience == "staff" else frozenset()
    if template.placeholders - allowed_here:
        raise InputError("a placeholder that this audience may not see", where=where, known=sorted(allowed_here))
    missing = "missing." if template.missing and template.direction != "missing" else ""
    named = f"{template.group}.{template.direction}.{missing}{template.audience}"
    if template.id != named:
        raise InputError(f"the id is not '{named}'", where=where)
    return template
