"""Whether what somebody declares can be meant: checked where it is declared, before any work."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from features.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


def name(given: Any, where: str) -> None:
    """Refuse a name that a model, an experiment, a folder or a route cannot carry."""
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise InputError(
            "is no name of a task", where=where, remedy="letters of ASCII, digits, _ and -, 80 at most: my_task_60d"
        )


def one_of(given: Any, known: tuple[str, ...], what: str, where: str) -> None:
    """Refuse what is none of a closed list."""
    if not isinstance(given, str) or given not in known:
        raise InputError(f"no {what} '{given}'", where=where, given=str(given), known=known)


def is_a(given: Any, kind: type | tuple[type, ...], what: str, where: str, remedy: str) -> None:
    """Refuse a value of another type; ``what`` names the field."""
    if not isinstance(given, kind) or isinstance(given, type):
        raise InputError(f"{what} is of another type: {_called(given)}", where=where, remedy=remedy)


def texts(given: Any, what: str, where: str) -> None:
    """Refuse what is no tuple of names; a single text is a tuple whose comma was forgotten."""
    if isinstance(given, str) or not isinstance(given, Iterable) or not all(isinstance(each, str) for each in given):
        raise InputError(f"{what} is no tuple of names", where=where, remedy=f'{what}=("one", "two"), or ("one",)')


def days(given: Any, what: str, where: str) -> None:
    """Refuse what is no whole number of days from 0."""
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise InputError(f"{what} is no whole number of days", where=where, remedy=f"{what}=90, say")


def _called(given: Any) -> str:
    return f"the class {given.__name__}" if isinstance(given, type) else type(given).__name__
