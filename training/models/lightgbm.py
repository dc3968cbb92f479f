"""Boosted trees: deterministic, monotone where medicine is sure, stopped on patients held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from training.models.clip import bounds, clipped
from training.models.values import ModelValues
from training.split import draw
from training.task import Direction

if TYPE_CHECKING:
    import lightgbm


@dataclass(frozen=True)
class Trees:
    """A fitted booster; ``margin`` is the raw log-odds."""

    booster: lightgbm.Booster
    kind = "trees"

    def margin(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self.booster.predict(x, raw_score=True, num_threads=1))


def settings(
    values: ModelValues, names: tuple[str, ...] = (), monotone: Mapping[str, Direction] | None = None
) -> dict[str, Any]:
    """Return LightGBM's parameters: the tuned ones, and those that make a run repeatable to the byte.

    Constraints are named only where there are any: even zeros make every split dearer.
    """
    own = values.lightgbm
    signs = [{"up": 1, "down": -1}.get((monotone or {}).get(name, ""), 0) for name in names]
    constrained = {
        "monotone_constraints": signs,
        "monotone_constraints_method": "advanced",
        "monotone_penalty": own.monotone_penalty,
    }
    return (constrained if any(signs) else {}) | {
        "objective": "binary",
        "metric": "binary_logloss",
        "verbosity": -1,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": values.seed,
        "num_leaves": own.num_leaves,
        "learning_rate": own.learning_rate,
        "min_data_in_leaf": own.min_data_in_leaf,
        "lambda_l2": own.lambda_l2,
        "feature_fraction": own.feature_fraction,
        "bagging_fraction": own.bagging_fraction,
        "bagging_freq": 1,
    }


def fit(
    x: np.ndarray,
    y: np.ndarray,
    patient_id: np.ndarray,
    names: tuple[str, ...],
    monotone: Mapping[str, Direction],
    values: ModelValues,
    weight: np.ndarray | None = None,
) -> Trees:
    """Fit boosted trees on (n, k) features with NaN for null; ``weight`` is (n,), ones by default.

    A share of the patients is held out to stop the boosting (log loss); the trees kept are those of
    the best round.
    """
    import lightgbm

    lo, hi = bounds(x, values.clip)
    x = clipped(x, lo, hi)
    held = draw(patient_id, f"stopping-{values.seed}") < values.lightgbm.validation
    parameters = settings(values, names, monotone)
    one, other = (None, None) if weight is None else (weight[~held], weight[held])
    train = lightgbm.Dataset(x[~held], y[~held], weight=one, feature_name=list(names), free_raw_data=True)
    valid = lightgbm.Dataset(
        x[held], y[held], weight=other, reference=train, feature_name=list(names), free_raw_data=True
    )
    booster = lightgbm.train(
        parameters,
        train,
        num_boost_round=values.lightgbm.rounds,
        valid_sets=[valid],
        callbacks=[lightgbm.early_stopping(values.lightgbm.patience, verbose=False)],
    )
    text = booster.model_to_string(num_iteration=max(1, booster.best_iteration))
    return Trees(lightgbm.Booster(model_str=text))
