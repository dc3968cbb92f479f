"""The models that may score: approved versions, loaded by digest, swapped whole."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from features.plan import Plan
from training.scorer import Scorer

from training.task import Task

BANDS = ("low", "medium", "high", "very_high")


@dataclass(frozen=True)
class Served:
    """One approved model.

    Attributes
    ----------
    columns
        Positions of the model's features in the plan's vector; empty for a questionnaire's model.
    card
        The artefact's card.
    """

    task: Task
    version: str
    digest: str
    scorer: Scorer
    columns: np.ndarray
    card: Mapping[str, Any]
    approval: Mapping[str, Any]

    @property
    def exploratory(self) -> bool:
        """Trained on too few events: answers only where a caller asks for exploratory models."""
        return bool(self.card.get("exploratory", False))

    def named(self) -> dict[str, str]:
        return {"name": self.task.name, "version": self.version, "digest": self.digest}

    def band(self, probability: float) -> str:
        """Return low, medium, high or very_high by the cut-offs stored with the version."""
        return BANDS[int(np.searchsorted(np.asarray(self.scorer.bands), probability, side="right"))]

    @functools.cached_property
    def used(self) -> frozenset[str]:
        """Features that the model splits on or weighs."""
        return frozenset(self.scorer.used)

    @functools.cached_property
    def used_groups(self) -> frozenset[str]:
        return frozenset(self.scorer.groups[name] for name in self.used)

    @functools.cached_property
    def features(self) -> tuple[dict[str, Any], ...]:
        """What is said of each feature beside its value, in the order of the vector."""
        spec, groups = self.scorer.spec, self.scorer.groups
        return tuple(
            {
                "feature": name,
                "label_zh": spec.labels[name]["zh"],
                "label_en": spec.labels[name]["en"],
                "unit": spec.units[name],
                "group": groups[name],
            }
            for name in spec.names
        )


@dataclass(frozen=True)
class Models:
    """All served models and the one plan that computes their inputs in one sweep.

    Attributes
    ----------
    refused
        Task -> why its approved model could not be loaded.
    """

    served: Mapping[str, Served]
    plan: Plan
    refused: Mapping[str, str]
