"""Tuning as `run` does it against the same search written plainly with Optuna and scikit-learn's wrapper.

    python -m bench.training --rows 100000 --features 200 --trials 50

Both search the same five settings over the same three folds with the same sampler and seed, stop early
on the fold's validation rows, bin as coarsely while searching, and fit the winner with all bins to the
train part; AUROC is of rows that neither saw. The plain one is what the documentation of both libraries
shows: a wrapper fitted to every fold of every trial. Ours bins once, shares the folds and gives up
trials that are surely behind. Process CPU, one thread, each in a process of its own; peak memory beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from features.instants import DAY
from training import measures
from training.calibrate import sigmoid
from training.evaluate import Bootstrap
from training.labelled import Folds
from training.models import lightgbm as ours
from training.models.values import ModelValues, model_values
from training.tune import BINS, FOLDS, Rows, Search, tuned

BUDGET = 1_000_000
ROUNDS = 300


def drawn(rows: int, features: int, seed: int) -> tuple[Rows, Rows]:
    """Return train and test rows: a fifth of the features matter, some values are missing."""
    rng = np.random.default_rng(seed)
    n = rows + rows // 4
    x = rng.normal(size=(n, features))
    useful = max(5, features // 5)
    beta = rng.normal(0, 0.5, useful)
    margin = x[:, :useful] @ beta * 0.6 + 0.4 * x[:, 0] * x[:, 1] + 0.3 * np.abs(x[:, 2]) - 2.2
    y = (rng.random(n) < sigmoid(margin)).astype(float)
    x[rng.random(x.shape) < 0.15] = np.nan
    patient = rng.integers(0, n // 6, n).astype(str)
    at = rng.integers(0, 24, n) * 30 * DAY
    names = tuple(f"f{number}" for number in range(features))

    def part(mask: np.ndarray) -> Rows:
        return Rows(x[mask], y[mask], np.ones(int(mask.sum())), patient[mask], at[mask], names, {}, 90)

    first = np.arange(n) < rows
    return part(first), part(~first)


def run_ours(rows: Rows, values: ModelValues, trials: int) -> np.ndarray | ours.Trees:
    """Search and fit as training does."""
    found = tuned(rows, values, Search(trials), BUDGET)
    return ours.fit(rows.x, rows.y, rows.patient_id, rows.names, rows.monotone, found.values, rows.weight)


def run_plain(rows: Rows, values: ModelValues, trials: int) -> object:
    """Search and fit with Optuna and lightgbm.LGBMClassifier, as their documentation shows."""
    import lightgbm
    import optuna
    from sklearn.metrics import log_loss

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own = values.lightgbm
    folds = list(Folds(rows.patient_id, rows.at, rows.horizon_days, FOLDS).split())

    def model(**settings: object) -> lightgbm.LGBMClassifier:
        return lightgbm.LGBMClassifier(
            n_estimators=own.rounds,
            subsample=own.bagging_fraction,
            subsample_freq=1,
            random_state=values.seed,
            n_jobs=1,
            deterministic=True,
            force_row_wise=True,
            verbose=-1,
            **settings,
        )

    def objective(trial: optuna.Trial) -> float:
        settings = {
            "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
            "min_child_samples": trial.suggest_int("min_child_samples", 20, 500, log=True),
            "reg_lambda": trial.suggest_float("reg_lambda", 1e-2, 100, log=True),
            "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        }
        losses = []
        for train, test in folds:
            fitted = model(**settings, max_bin=BINS).fit(
                rows.x[train],
                rows.y[train],
                eval_X=rows.x[test],
                eval_y=rows.y[test],
                callbacks=[lightgbm.early_stopping(own.patience, verbose=False)],
            )
            losses.append(log_loss(rows.y[test], fitted.predict_proba(rows.x[test])[:, 1]))
        return float(np.mean(losses))

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=values.seed))
    study.optimize(objective, n_trials=trials)
    held = np.random.default_rng(values.seed).random(len(rows.y)) < own.validation
    return model(**study.best_params).fit(
        rows.x[~held],
        rows.y[~held],
        eval_X=rows.x[held],
        eval_y=rows.y[held],
        callbacks=[lightgbm.early_stopping(own.patience, verbose=False)],
    )


def one(which: str, given: argparse.Namespace) -> dict[str, float]:
    """Run one of the two in this process and return AUROC with its ends, CPU seconds, seconds and peak memory."""
    import lightgbm  # noqa: F401
    import optuna  # noqa: F401
    import sklearn.metrics  # noqa: F401

    rows, test = drawn(given.rows, given.features, given.seed)
    values = model_values((f"models.lightgbm.rounds={given.rounds}",))
    cpu, wall = time.process_time(), time.perf_counter()
    model = (run_ours if which == "ours" else run_plain)(rows, values, given.trials)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    score = model.margin(test.x) if which == "ours" else model.predict_proba(test.x)[:, 1]  # type: ignore[union-attr]
    figure = Bootstrap(test.patient_id, 200, 1).figure(measures.auroc(test.y, score))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"auroc": figure.value, "lo": figure.lo, "hi": figure.hi, "cpu": cpu, "wall": wall, "peak_gb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, default=200)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("ours", "plain"), help="run one of the two and print JSON")
    given = parser.parse_args()
    if given.only:
        print(json.dumps(one(given.only, given)))
        return
    found = {}
    for which in ("ours", "plain"):
        told = subprocess.run(
            [sys.executable, "-m", "bench.training", *sys.argv[1:], "--only", which],
            capture_output=True,
            text=True,
            check=True,
        )
        found[which] = each = json.loads(told.stdout.splitlines()[-1])
        print(
            f"{which}: AUROC {each['auroc']:.4f} [{each['lo']:.4f}, {each['hi']:.4f}], {each['cpu']:.0f} s CPU, "
            f"{each['wall']:.0f} s, peak {each['peak_gb']:.2f} GB",
            flush=True,
        )
    print(f"CPU of the plain search over ours: {found['plain']['cpu'] / found['ours']['cpu']:.2f}")


if __name__ == "__main__":
    main()
