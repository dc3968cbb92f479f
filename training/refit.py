"""A task's winning kind of model, fitted again: to other rows, other labels, another seed, fewer columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.vector import VectorSpec
from training.candidates import linear, trees
from training.linear import LinearModel
from training.models.choice import Candidate
from training.models.points import PointScore
from training.models.values import LightGbmValues, ModelValues
from training.points import PointModel, Points
from training.scorer import Scorer
from training.task import Task


@dataclass(frozen=True)
class Refit:
    """How the winner was fitted.

    Parameters
    ----------
    kind
        ``trees``, ``linear`` or ``points``.
    spec
        Columns of the rows that are given.
    score
        The published score, for ``points``: its means alone are taken anew.
    """

    task: Task
    kind: str
    spec: VectorSpec
    values: ModelValues
    score: PointScore | None = None

    @classmethod
    def of(cls, task: Task, scorer: Scorer, values: ModelValues, parameters: Mapping[str, Any]) -> Refit:
        """Return how a run fitted its winner: with the settings that it logged, and the penalty that it found."""
        own = {name: parameters[f"lightgbm.{name}"] for name in LightGbmValues.model_fields}
        changed: dict[str, Any] = {"lightgbm": LightGbmValues(**own)}
        if isinstance(scorer.model, LinearModel):
            penalty = scorer.model.logistic.penalty
            changed["logistic"] = values.logistic.model_copy(update={"penalties": (penalty,)})
        score = scorer.model.points.score if isinstance(scorer.model, PointModel) else None
        return cls(task, scorer.kind, scorer.spec, values.model_copy(update=changed), score)

    def __call__(self, x: np.ndarray, y: np.ndarray, patient_id: np.ndarray, weight: np.ndarray) -> Candidate:
        """Fit to the rows."""
        names = self.spec.names
        if self.score is not None:
            return Points.fitted(self.score, x, names)
        fit = linear if self.kind == "linear" else trees
        return fit(self.task.inputs, names, self.values)(x, y, patient_id, weight)

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
