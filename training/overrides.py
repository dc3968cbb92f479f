"""Overrides: ``section.name=value`` over params.yaml, as ``--set`` gives them."""

from __future__ import annotations

from features.errors import InputError
from features.params import SECTIONS, Values, section
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
    for name in dict.fromkeys(text.partition("=")[0].partition(".")[0].strip() for text in overrides):
        if name in SECTIONS and name not in READ:
            remedy = f"training reads {', '.join(READ)}; other values stand in params.yaml, or a hospital's"
            raise InputError(f"section '{name}' is not read from --set", where="--set", remedy=remedy)
        section(name if name in READ else "models", READ.get(name, ModelValues), overrides)
    asked = {part for text in overrides for part in text.partition("=")[0].strip().split(".")[1:2]}
    for disease, entry in section("diseases", DiseasesValues, overrides).entries().items():
        if disease in asked:
            entry_tasks(disease, entry)
    churn_interval(section("churn_interval", RevisitValues, overrides))
    return overrides
