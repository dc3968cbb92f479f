"""Rounds: rows that a model is fitted to again, and those that each fit is judged on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training import measures
from training.evaluate import Bootstrap, EvaluationValues, Figure
from training.measures import Measure
from training.refit import Refit


@dataclass(frozen=True)
class Rounds:
    """Landmarks in two parts, one round; or the people of a questionnaire in folds, a round each.

    Parameters
    ----------
    x
        (n, k) float64, NaN for null.
    y, weight, patient_id
        (n,) outcome, weight and patient of each row.
    parts
        (train, test) of each round, (n,) masks: nobody is in both, and no row is in two tests.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    patient_id: np.ndarray
    parts: tuple[tuple[np.ndarray, np.ndarray], ...]

    @classmethod
    def of_folds(cls, x: np.ndarray, y: np.ndarray, patient_id: np.ndarray, fold: np.ndarray) -> Rounds:
        """Return a round for each fold, by the (n,) number of the fold: fitted to the others, judged on it."""
        parts = tuple((fold != held, fold == held) for held in np.unique(fold))
        return cls(x, y, np.ones(len(y)), patient_id, parts)

    @property
    def tested(self) -> np.ndarray:
        """(n,) True for the rows that are judged."""
        return np.any([test for _, test in self.parts], axis=0)

    def auroc(self, refit: Refit, among: np.ndarray | None = None) -> Measure:
        """Fit in every round and return the mean of the rounds' AUROC, by weights of the rows that are judged.

        Parameters
        ----------
        among
            (n,) rows that may be fitted to; all by default.
        """
        rows, each = self.tested, []
        for train, test in self.parts:
            fit = train if among is None else train & among
            model = refit(self.x[fit], self.y[fit], self.patient_id[fit], self.weight[fit])
            each.append((test[rows], measures.auroc(self.y[test], model.margin(self.x[test]))))
        return lambda weights: np.mean([measure(weights[:, own]) for own, measure in each], axis=0)

    def figure(self, measure: Measure, values: EvaluationValues) -> Figure:
        """Return such a measure with its interval over patients."""
        rows = self.tested
        return Bootstrap(self.patient_id[rows], values.replicates, values.seed, self.weight[rows]).figure(measure)
