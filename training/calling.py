"""A module that can be called: ``training.dataset(...)`` beside ``from training.dataset import Dataset``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def callable_as(name: str, function: Callable[..., Any]) -> None:
    """Make the module of that name callable as a function of its own."""

    class Called(ModuleType):
        def __call__(self, *args: Any, **named: Any) -> Any:
            return function(*args, **named)

    sys.modules[name].__class__ = Called
