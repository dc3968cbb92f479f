"""Optuna: the only file that knows it. Settings of LightGBM by patient-grouped folds of the train part."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.models import lightgbm
from training.models.logistic import log_loss
from training.models.values import ModelValues
from training.split import draw
from training.task import Direction

FOLDS = 3


def tuned(
    x: np.ndarray,
    y: np.ndarray,
    patient_id: np.ndarray,
    names: tuple[str, ...],
    monotone: Mapping[str, Direction],
    values: ModelValues,
    trials: int,
) -> ModelValues:
    """Return the settings with the least log loss over folds of patients.

    Parameters
    ----------
    x, y, patient_id
        The train part.
    trials
        How many settings to try; those of params.yaml are tried first.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    fold = np.minimum((draw(patient_id, f"tune-{values.seed}") * FOLDS).astype(int), FOLDS - 1)

    def loss(settings: ModelValues) -> float:
        total = 0.0
        for held in range(FOLDS):
            out = fold == held
            model = lightgbm.fit(x[~out], y[~out], patient_id[~out], names, monotone, settings)
            total += float(log_loss(y[out], model.margin(x[out])).sum())
        return total / len(y)

    def objective(trial: optuna.Trial) -> float:
        found = values.lightgbm.model_copy(
            update={
                "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
                "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
                "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 500, log=True),
                "lambda_l2": trial.suggest_float("lambda_l2", 1e-2, 100, log=True),
                "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
            }
        )
        return loss(values.model_copy(update={"lightgbm": found}))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=values.seed))
    first = ("num_leaves", "learning_rate", "min_data_in_leaf", "lambda_l2", "feature_fraction")
    study.enqueue_trial({name: getattr(values.lightgbm, name) for name in first})
    study.optimize(objective, n_trials=trials, show_progress_bar=False)
    return values.model_copy(update={"lightgbm": values.lightgbm.model_copy(update=study.best_params)})
