"""Vectors in, a registered Scorer out.

``training.dataset(task, lake)`` gives labelled vectors; ``training.evaluate(dataset, probability)``
judges anybody's predictions of its test part.
"""

from __future__ import annotations

import os
from types import ModuleType

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # more threads spin on a busy machine, and a run must not depend on it


def __getattr__(name: str) -> ModuleType:
    """Load ``training.dataset`` and ``training.evaluate``, modules that can be called, when first used."""
    if name not in ("dataset", "evaluate"):
        raise AttributeError(f"module 'training' has no attribute '{name}'")
    import importlib

    return importlib.import_module(f"training.{name}")
