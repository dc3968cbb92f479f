"""The self-test's model: NHANES people, repeated folds, a calibration that was never fitted to its own rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features.progress import track
from training import measures
from training.calibrate import affine, sigmoid
from training.evaluate import Bootstrap, EvaluationValues, Figure
from training.measures import Measure
from training.models import logistic
from training.models.values import ModelValues
from training.outcome import UndiagnosedDiabetes
from training.task import Task

if TYPE_CHECKING:
    import pandas as pd

REPEATS, FOLDS = 20, 5


@dataclass(frozen=True)
class People:
    """Examined people: (n, k) inputs with NaN for no answer, (n,) outcome, (n,) survey number."""

    names: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    person: np.ndarray


def people(table: pd.DataFrame, names: tuple[str, ...], outcome: UndiagnosedDiabetes) -> People:
    """Return adults of 20 and more who answered 'no' to diabetes and whose HbA1c was measured.

    Parameters
    ----------
    table
        As ``features.sources.nhanes.frame`` gives it.
    names
        Columns to take as inputs.
    """
    chosen = table[(table["age"] >= 20) & (table["told_diabetes"] == "0") & table["hba1c"].notna()]
    return People(
        names,
        chosen[list(names)].to_numpy(dtype=np.float64),
        (chosen["hba1c"] >= outcome.cut).to_numpy(dtype=np.float64),
        chosen["seqn"].to_numpy(dtype=str),
    )


@dataclass(frozen=True)
class Folded:
    """Margins of people by models that never saw them: (repeats, n), and the fold of each."""

    margin: np.ndarray
    fold: np.ndarray

    def calibrated(self, y: np.ndarray) -> np.ndarray:
        """Return (repeats, n) probabilities, each fold calibrated on the other folds' margins."""
        found = np.empty_like(self.margin)
        for number, (margin, fold) in enumerate(zip(self.margin, self.fold)):
            for held in np.unique(fold):
                rest = fold != held
                a, b = affine(margin[rest], y[rest])
                found[number, ~rest] = sigmoid(a * margin[~rest] + b)
        return found


Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def folded(given: People, fit: Fit, repeats: int, seed: int, label: str) -> Folded:
    """Fit and predict in repeated folds, stratified by the outcome.

    Parameters
    ----------
    fit
        (x, y, person) of the training folds -> a function from x to margins.
    """
    margin = np.empty((repeats, len(given.y)))
    fold = np.empty((repeats, len(given.y)), dtype=np.int64)
    for number in track(range(repeats), label, repeats):
        rng = np.random.default_rng([seed, number])
        for kind in (0.0, 1.0):
            places = np.flatnonzero(given.y == kind)
            rng.shuffle(places)
            fold[number, places] = np.arange(len(places)) % FOLDS
        for held in range(FOLDS):
            out = fold[number] == held
            margin[number, out] = fit(given.x[~out], given.y[~out], given.person[~out])(given.x[out])
    return Folded(margin, fold)


def logistic_fit(names: tuple[str, ...], values: ModelValues) -> Fit:
    """Return the logistic candidate as a fold's fit."""

    def fit(x: np.ndarray, y: np.ndarray, person: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return logistic.fit(x, y, person, names, names, values).margin

    return fit


def trees_fit(task: Task, names: tuple[str, ...], values: ModelValues) -> Fit:
    """Return the boosted candidate as a fold's fit."""

    def fit(x: np.ndarray, y: np.ndarray, person: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        from training.models import lightgbm

        return lightgbm.fit(x, y, person, names, task.inputs.monotone, values).margin

    return fit


def figures(given: People, found: Folded, values: EvaluationValues, prefix: str = "") -> dict[str, Figure]:
    """Return the mean over the repeats of every measure, with its interval over people."""
    probability = found.calibrated(given.y)
    draw = Bootstrap(given.person, values.replicates, values.seed)

    def mean(make: Callable[[np.ndarray, np.ndarray], Measure]) -> Measure:
        each = [make(given.y, row) for row in probability]
        return lambda weights: np.mean([measure(weights) for measure in each], axis=0)

    kinds: dict[str, Callable[[np.ndarray, np.ndarray], Measure]] = {
        "auroc": measures.auroc,
        "auprc": measures.auprc,
        "brier": measures.brier,
        "brier_scaled": measures.brier_scaled,
        "slope": measures.slope,
        "intercept": measures.intercept,
        "oe": measures.observed_expected,
        "ici": measures.integrated_calibration,
    }
    return {prefix + name: draw.figure(mean(kind)) for name, kind in kinds.items()}


def beside(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the table with the columns that the served model leaves out, and their names: ethnicity, told-prediabetes."""
    groups = sorted(table["ethnicity"].dropna().unique())[1:]
    coded = {f"ethnicity_{number}": (table["ethnicity"] == name).astype(float) for number, name in enumerate(groups)}
    return table.assign(**coded), (*coded, "told_prediabetes")
