"""A task's winning kind of model, fitted again: to other rows, other labels, another seed, fewer columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.vector import VectorSpec
from training.linear import LinearModel
from training.models import lightgbm, logistic
from training.models.choice import Candidate
from training.models.values import LightGbmValues, ModelValues
from training.scorer import Scorer
from training.task import Task


@dataclass(frozen=True)
class Refit:
    """How the winner was fitted.

    Parameters
    ----------
    kind
        ``trees`` or ``linear``.
    spec
        Columns of the rows that are given.
    """

    task: Task
    kind: str
    spec: VectorSpec
    values: ModelValues

    @classmethod
    def of(cls, task: Task, scorer: Scorer, values: ModelValues, parameters: Mapping[str, Any]) -> Refit:
        """Return how a run fitted its winner: with the settings that it logged, and the penalty that it found."""
        own = {name: parameters[f"lightgbm.{name}"] for name in LightGbmValues.model_fields}
        changed: dict[str, Any] = {"lightgbm": LightGbmValues(**own)}
        if isinstance(scorer.model, LinearModel):
            penalty = scorer.model.logistic.penalty
            changed["logistic"] = values.logistic.model_copy(update={"penalties": (penalty,)})
        return cls(task, scorer.kind, scorer.spec, values.model_copy(update=changed))

    def __call__(self, x: np.ndarray, y: np.ndarray, patient_id: np.ndarray, weight: np.ndarray) -> Candidate:
        """Fit to the rows."""
        names, inputs = self.spec.names, self.task.inputs
        if self.kind == "linear":
            core = tuple(name for name in inputs.core if name in names)
            crosses = tuple(pair for pair in inputs.crosses if set(pair) <= set(names))
            return logistic.fit(x, y, patient_id, names, core, self.values, crosses, weight)
        return lightgbm.fit(x, y, patient_id, names, inputs.monotone, self.values, weight)

    def seeded(self, more: int) -> Refit:
        """Return the same with another seed."""
        return replace(self, values=self.values.model_copy(update={"seed": self.values.seed + more}))

    def quick(self) -> Refit:
        """Return the same with fewer rounds: for a question that needs no best model."""
        trees = self.values.lightgbm.model_copy(update={"rounds": min(self.values.lightgbm.rounds, 60)})
        return replace(self, values=self.values.model_copy(update={"lightgbm": trees}))

    def without(self, names: tuple[str, ...]) -> Refit:
        """Return the same on fewer columns."""
        return replace(self, spec=self.spec.subset(each for each in self.spec.names if each not in names))
