"""Public data sets, each judged by one command: ``python -m training public NAME``.

A set is read from CAREPATH_DATA (NHANES comes along), our candidates are judged on people that they
never saw, beside a baseline and what others published.
"""

from __future__ import annotations

from collections.abc import Callable

from features.errors import InputError
from training.public.judged import Judged


def public(name: str) -> Callable[[], Judged]:
    """Return the benchmark of that name.

    Raises
    ------
    InputError
        There is none; the nearest is named.
    """
    import importlib

    if name not in NAMES:
        raise InputError(f"no public set '{name}'", where="training public", given=name, known=NAMES)
    module, _, function = PLACES[name].partition(":")
    found: Callable[[], Judged] = getattr(importlib.import_module(f"training.public.{module}"), function)
    return found


PLACES = {
    "nhanes_undiagnosed": "nhanes:undiagnosed",
    "nhanes_diabetes": "nhanes:total",
    "brfss2015_diabetes": "brfss:diabetes",
    "diabetes130": "diabetes130:readmission",
    "physionet2012": "physionet2012:mortality",
    "pima": "pima:diabetes",
    "uci_heart_cleveland": "cleveland:disease",
    "cdnow": "cdnow:activity",
}
NAMES = tuple(PLACES)
