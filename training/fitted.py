"""Fitted: what a task's training hands to the record, whatever the kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from training.scorer import Scorer
from training.task import Task
from training.tracking.run import Trial


@dataclass(frozen=True)
class Fitted:
    """A scorer and all that is said of it.

    Parameters
    ----------
    population
        Counts, the split, the sample-size verdict: for the card.
    model
        Kind, why it was chosen, settings: for the card.
    figures
        ``test_auroc``, ``test_auroc_lo``, ``test_auroc_hi`` and so on.
    parameters
        Settings, for the run.
    exploratory
        Trained on fewer patients than Riley's shrinkage criterion asks for.
    files
        Further files of the artefact by name: texts, and arrays packed as .npz.
    trials
        Settings that were tried.
    held
        Probabilities of rows by models that never saw their patients, and the outcomes of those rows.
    sections
        What was asked of it beside the figures, for the report, the card and the gates; empty where
        ``training.assessment`` asks it.
    """

    task: Task
    scorer: Scorer
    population: Mapping[str, Any]
    model: Mapping[str, Any]
    figures: Mapping[str, float]
    parameters: Mapping[str, Any]
    attrition: tuple[dict[str, object], ...] = ()
    notes: tuple[str, ...] = ()
    exploratory: bool = False
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    held: tuple[np.ndarray, np.ndarray] | None = None
    sections: Mapping[str, Any] = field(default_factory=dict)

    def keeping(self, files: Mapping[str, str]) -> Fitted:
        """Return the same with further texts for the artefact."""
        return replace(self, files={**self.files, **files})


def bands(probability: np.ndarray, quantiles: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return three rising cut-offs: quantiles of the probabilities, to three significant digits."""
    found = [float(f"{value:.3g}") for value in np.quantile(probability, quantiles)]
    for place in (1, 2):
        found[place] = max(found[place], found[place - 1] * 1.001)
    return found[0], found[1], found[2]
