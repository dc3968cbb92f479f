"""Feature groups: named reductions of one table, with the reason for which they may be used."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from features.errors import InputError
from features.history import REDUCTIONS, Reduction, Selection
from features.params import general
from features.schema import EVENT_TABLES

_MARKS = ("source", "purposes", "why", "clinical_group", "protected", "actionable")
_WORDS = (*REDUCTIONS, "coded", "where", "within", "upcoming", "labelled")
_UNIT = re.compile(r"^\s*unit:\s*(.+?)\.?\s*$|\bUnit:\s*(.+?)\.?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class FeatureGroup:
    """Named reductions of one table's history.

    Parameters
    ----------
    name
        Name of the group.
    source
        Canonical event table that it reads.
    purposes
        Purposes of params.yaml for which the features may be used.
    why
        Why they are needed for those purposes, in a few words.
    clinical_group
        Theme under which an explanation speaks of them.
    features
        Name of each feature, and the reduction that defines it.
    protected
        True where they carry a protected attribute.
    actionable
        True where patient or clinician can change them.
    unit
        Unit of the values, where the codelist or the column does not say.

    Raises
    ------
    InputError
        A mark is missing, or a name is not one of the closed lists.
    """

    name: str
    source: str
    purposes: tuple[str, ...]
    why: str
    clinical_group: str
    features: Mapping[str, Reduction]
    protected: bool = False
    actionable: bool = False
    doc: str = ""
    unit: str = field(default="")

    def __post_init__(self) -> None:
        where = f"feature group {self.name}"
        if self.source not in EVENT_TABLES:
            raise InputError(f"no event table '{self.source}'", where=where, given=self.source, known=EVENT_TABLES)
        check_marks(where, self.purposes, self.why, self.clinical_group)
        if not self.features:
            raise InputError("it declares no feature", where=where)
        for name, reduction in self.features.items():
            if not isinstance(name, str) or not name.isidentifier():
                raise InputError(f"'{name}' is not a plain name", where=where, remedy="use letters, digits and _")
            if not isinstance(reduction, Reduction):
                remedy = f"end it with one of {', '.join(REDUCTIONS)}"
                raise InputError(f"feature '{name}' is not a reduction", where=where, remedy=remedy)
            if reduction.selection.table != self.source:
                raise InputError(f"feature '{name}' reads {reduction.selection.table}", where=where)


def check_marks(where: str, purposes: tuple[str, ...], why: str, clinical_group: str) -> None:
    """Refuse a group that does not say what it is for."""
    for mark, value in (("purposes", purposes), ("why", why), ("clinical_group", clinical_group)):
        if not value:
            raise InputError(f"has no {mark}", where=where, remedy=f"say {mark}=... in @feature_group")
    if isinstance(purposes, str):
        raise InputError("purposes is a tuple of names", where=where, remedy=f"write purposes=('{purposes}',)")
    for purpose in purposes:
        if purpose not in general().purposes:
            raise InputError(f"no purpose '{purpose}'", where=where, given=purpose, known=general().purposes)


def feature_group(**marks: Any) -> Callable[[Callable[[Selection], dict[str, Reduction]]], FeatureGroup]:
    """Turn a function of a history into a :class:`FeatureGroup`; its name becomes the group's.

    Parameters
    ----------
    **marks
        source, purposes, why, clinical_group, protected (False) and actionable (False).

    Raises
    ------
    InputError
        At import: an unknown mark, column, table, word or keyword, with the nearest valid one.
    """

    def declare(function: Callable[[Selection], dict[str, Reduction]]) -> FeatureGroup:
        where = f"feature group {function.__name__}"
        for mark, value in marks.items():
            if mark not in _MARKS:
                raise InputError(f"no mark '{mark}'", where=where, given=mark, known=_MARKS)
            if mark in ("protected", "actionable") and not isinstance(value, bool):
                raise InputError(f"{mark} is neither True nor False", where=where)
        source = marks.get("source", "")
        if source not in EVENT_TABLES:
            raise InputError(f"no event table '{source}'", where=where, given=str(source), known=EVENT_TABLES)
        doc = inspect.getdoc(function) or ""
        purposes = marks.get("purposes", ())
        return FeatureGroup(
            name=function.__name__,
            source=source,
            purposes=tuple(purposes) if isinstance(purposes, list) else purposes,
            why=marks.get("why", ""),
            clinical_group=marks.get("clinical_group", ""),
            features=_declared(function, Selection(source), where),
            protected=bool(marks.get("protected", False)),
            actionable=bool(marks.get("actionable", False)),
            doc=doc,
            unit=unit_of(doc),
        )

    return declare


def unit_of(doc: str) -> str:
    """Return what a docstring says after ``Unit:``, or nothing."""
    found = _UNIT.search(doc)
    return (found.group(1) or found.group(2)) if found else ""


def _declared(function: Callable[[Selection], dict[str, Reduction]], history: Selection, where: str) -> Any:
    """Call the function; an unknown word or keyword is named with the nearest valid one."""
    try:
        features = function(history)
    except AttributeError as error:
        if not isinstance(error.obj, Selection | Reduction):
            raise
        raise InputError(f"no word '{error.name}'", where=where, given=error.name or "", known=_WORDS) from None
    except TypeError as error:
        raise _misused(str(error), where) or error from None
    if not isinstance(features, Mapping):
        remedy = "return {'name': history....}"
        raise InputError("does not return its features by name", where=where, remedy=remedy)
    return features


def _misused(message: str, where: str) -> InputError | None:
    """Read Python's complaint about the arguments of a word; None where it is about something else."""
    found = re.search(r"(?:Selection|Reduction)\.(\w+)\(\) (.+)", message)
    if not found or found.group(1) not in _WORDS:
        return None
    word, said = found.groups()
    names = [each for each in inspect.signature(_word(word)).parameters.values() if each.name != "self"]
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", said)
    if unexpected:
        keyword, known = unexpected.group(1), [each.name for each in names if each.kind is not each.VAR_KEYWORD]
        return InputError(f"{word}() has no '{keyword}'", where=where, given=keyword, known=known)
    plain = [each for each in names if each.kind is not each.VAR_KEYWORD]
    written = ", ".join(f"{each.name}=..." if each.kind is each.KEYWORD_ONLY else str(each.name) for each in plain)
    return InputError(f"{word}() {said}", where=where, remedy=f"write {word}({written})")


def _word(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(Selection, name, None) or getattr(Reduction, name)
    return found
