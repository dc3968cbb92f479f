"""Overrides: ``section.name=value`` over params.yaml, as ``--set`` gives them."""

from __future__ import annotations

from features.errors import InputError
from features.params import Values, section
from training.affinity.values import AffinityValues
from training.evaluate import EvaluationValues
from training.models.values import ModelValues
from training.split import SplitValues
from training.tasks.disease import DiseasesValues, entry_tasks
from training.tasks.revisit import RevisitValues, churn_interval

READ: dict[str, type[Values]] = {
    "models": ModelValues,
    "evaluation": EvaluationValues,
    "split": SplitValues,
    "diseases": DiseasesValues,
    "churn_interval": RevisitValues,
    "affinity": AffinityValues,
}
"""The sections of params.yaml that training reads."""


def checked(overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Return overrides as they are given, once each of them is known to be read and to be a value.

    Raises
    ------
    InputError
        One cannot be read, is of a section that training does not read, or is no value of it.
    """
    for text in overrides:
        name, *rest = text.partition("=")[0].strip().split(".")
        model = READ.get(name, ModelValues)
        values = section(name if name in READ else "models", model, (text,))
        if name not in READ:
            remedy = f"training reads {', '.join(READ)}; other values stand in params.yaml, or a hospital's"
            raise InputError(f"section '{name}' is not read from --set", where="--set", remedy=remedy)
        if isinstance(values, DiseasesValues):
            entry_tasks(rest[0], values.entries()[rest[0]])
        if isinstance(values, RevisitValues):
            churn_interval(values)
    return overrides
