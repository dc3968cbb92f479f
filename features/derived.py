"""Derived features: plain row-local functions of other features."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import InputError
from features.group import unit_of

_LABEL = re.compile(r"^\s*label_(zh|en):\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Derived:
    """A feature computed, row by row, from other features.

    Its purposes are those that all its inputs share; it is protected if any input is, actionable
    only if all are, and stands in the clinical group of its first input.
    """

    name: str
    inputs: tuple[str, ...]
    function: Callable[..., np.ndarray]
    doc: str = ""
    unit: str = ""
    text: str = ""

    @property
    def label_zh(self) -> str:
        return dict(_LABEL.findall(self.doc)).get("zh", self.name)

    @property
    def label_en(self) -> str:
        first = self.doc.partition("\n")[0].partition(". ")[0].rstrip(".")
        return dict(_LABEL.findall(self.doc)).get("en", first or self.name)

    def values(self, *inputs: np.ndarray) -> np.ndarray:
        """Return one float per row; what is not finite becomes null, and minus zero zero.

        Raises
        ------
        InputError
            The function does not return one number per row.
        """
        with np.errstate(all="ignore"):
            found = np.asarray(self.function(*inputs), dtype=np.float64)
        if found.shape != inputs[0].shape:
            raise InputError("does not return one number per row", where=f"derived feature {self.name}")
        return np.where(np.isfinite(found), found, np.nan) + 0.0


def derived(function: Callable[..., np.ndarray]) -> Derived:
    """Turn a plain numpy function into a feature; its parameter names are the features it reads.

    The docstring is the meaning, ``Unit:`` in it the unit, and lines ``label_zh:`` and
    ``label_en:`` the labels.

    Raises
    ------
    InputError
        At import: no parameters, or one that is not a plain name; a closure, whose values a
        VectorSpec could not see.
    """
    where = f"derived feature {function.__name__}"
    parameters = inspect.signature(function).parameters.values()
    if not parameters:
        raise InputError("has no parameters", where=where, remedy="name the features it reads")
    if any(parameter.kind is not parameter.POSITIONAL_OR_KEYWORD for parameter in parameters):
        raise InputError("takes plain parameters only", where=where, remedy="name the features it reads")
    if function.__closure__:
        raise InputError("reads variables around it", where=where, remedy="use module constants or write them out")
    doc = inspect.getdoc(function) or ""
    inputs = tuple(parameter.name for parameter in parameters)
    return Derived(function.__name__, inputs, function, doc, unit_of(doc), _text(function, where))


def _text(function: Callable[..., Any], where: str) -> str:
    """Return the function's meaning as text: its code without comments, and the constants it reads."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        raise InputError("its source cannot be read", where=where, remedy="write it in a file") from None
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        raise InputError("is not a plain function", where=where)
    definition.decorator_list = []
    if ast.get_docstring(definition) is not None:
        definition.body = definition.body[1:] or [ast.Pass()]
    names = function.__code__.co_names
    plain = {name: function.__globals__[name] for name in names if name in function.__globals__}
    constants = {name: value for name, value in sorted(plain.items()) if isinstance(value, str | int | float | tuple)}
    return f"{ast.unparse(definition)}\n{constants}" if constants else ast.unparse(definition)
