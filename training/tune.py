"""Optuna: the only file that knows it. Settings of LightGBM by patient-grouped, time-forward folds of the train part.

What is shared is done once: the values are binned once for all folds and trials, and the folds are the
same for all trials. A trial that is surely behind the best one after a fold is pruned. The search bins
coarsely (:data:`BINS`, half the time a tree); the model that is kept is fitted with all bins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import InputError
from features.progress import track
from training.labelled import Folds
from training.models.clip import bounds, clipped
from training.models.lightgbm import settings
from training.models.logistic import log_loss
from training.models.values import ModelValues
from training.task import Direction
from training.tracking.run import Trial

if TYPE_CHECKING:
    import lightgbm
    import optuna

FOLDS = 3
BINS = 63
"""Bins of a feature while searching, as LightGBM's own page on speed advises."""
SURE = 2.0
"""Standard errors, paired by row, from which a trial is surely behind the best and is given up."""
COST = "trees x leaves"
SETTINGS = ": rounds, patience, seed, clip, folds and the like are not searched, and must stay"
SEARCHED = ("num_leaves", "learning_rate", "min_data_in_leaf", "lambda_l2", "feature_fraction")


@dataclass(frozen=True)
class Search:
    """Where the trials are kept: nowhere, or under a name in a storage that a later run goes on with.

    Parameters
    ----------
    trials
        How many in all, those of earlier runs included.
    storage
        ``sqlite:///FILE``, ``postgresql://...`` or a file (a journal); empty for memory.
    study
        Name of the study in the storage.
    """

    trials: int
    storage: str = ""
    study: str = ""

    def __post_init__(self) -> None:
        if bool(self.storage) != bool(self.study):
            raise InputError("one without the other", where="--storage, --study", remedy="give both, or none")


@dataclass(frozen=True)
class Tuned:
    """The settings that won, every trial, and why it won in one sentence."""

    values: ModelValues
    trials: tuple[Trial, ...]
    text: str


@dataclass(frozen=True)
class Rows:
    """The train part.

    Parameters
    ----------
    x, y, weight, patient_id, at
        (n, ...) rows in any order.
    names, monotone
        Features, and those whose direction is sure.
    horizon_days
        Embargo between what a fold learns from and what it is tested on.
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    patient_id: np.ndarray
    at: np.ndarray
    names: tuple[str, ...]
    monotone: Mapping[str, Direction]
    horizon_days: int

    @property
    def folds(self) -> Folds:
        """Patients apart, time forward, embargoed: what trials are compared on."""
        return Folds(self.patient_id, self.at, self.horizon_days, FOLDS)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rows: a study belongs to its data."""
        told = hashlib.sha256(repr((self.names, sorted(self.monotone.items()))).encode())
        for array in (self.x, self.y, self.weight, self.at):
            told.update(np.ascontiguousarray(array).tobytes())
        told.update("\n".join(self.patient_id.astype(str)).encode())
        return told.hexdigest()[:16]


def tuned(rows: Rows, values: ModelValues, search: Search, budget: int) -> Tuned:
    """Return the simplest settings within one standard error of the least log loss.

    Parameters
    ----------
    values
        Settings of params.yaml: tried first, and those that are not searched.
    budget
        Most trees x leaves that a model may have: what it costs to answer and to keep.

    Raises
    ------
    InputError
        The study holds trials of other data or settings, or no trial stayed within the budget.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(search, rows, values)
    done = [each for each in study.trials if each.state.is_finished() and each.state.name != "FAIL"]
    if not done and not any(each.state.name == "WAITING" for each in study.trials):
        study.enqueue_trial({name: getattr(values.lightgbm, name) for name in SEARCHED})
    objective = _Objective(rows, values, budget)
    left = max(0, search.trials - len(done))
    for _ in track(range(left), "tuning", left):
        study.optimize(objective, n_trials=1)
    found = _won(study, values)
    if rows.folds.forward:
        return found
    apart = f"folds apart by patient alone: the landmarks are too few for an embargo of {rows.horizon_days} days"
    return replace(found, text=f"{found.text}; {apart}")


def kept_in(search: Search) -> Any:
    """Open where the trials are kept; None for memory.

    Raises
    ------
    InputError
        It cannot be opened; its password is not repeated.
    """
    if not search.storage:
        return None
    from optuna.storages import JournalStorage, get_storage
    from optuna.storages.journal import JournalFileBackend

    try:
        if "://" in search.storage:
            return get_storage(search.storage)
        file = Path(search.storage)
        with file.open("ab"):
            return JournalStorage(JournalFileBackend(str(file)))
    except Exception as error:
        scheme, sign, rest = search.storage.partition("://")
        raise InputError(
            f"cannot be opened: {type(error).__name__}",
            where=f"--storage {scheme}{sign}{rest.rpartition('@')[2]}",
            remedy="sqlite:///FILE, postgresql://..., or a file in a folder that is there",
        ) from None


def _study(search: Search, rows: Rows, values: ModelValues) -> optuna.Study:
    """Open the study; trials that an interruption left running are given up."""
    import optuna
    from optuna.trial import TrialState

    study = optuna.create_study(
        storage=kept_in(search),
        study_name=search.study or None,
        load_if_exists=True,
        pruner=optuna.pruners.NopPruner(),
    )
    before = len(study.trials)
    study.sampler = optuna.samplers.TPESampler(seed=values.seed + before)
    whose = {"data": rows.digest, "settings": _settings(values, rows)}
    for name, ours in whose.items():
        if before and study.user_attrs.get(name) != ours:
            what = f"the study holds trials of other {name}{SETTINGS if name == 'settings' else ''}"
            raise InputError(what, where=f"--study {search.study}", remedy="name another")
        study.set_user_attr(name, ours)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _settings(values: ModelValues, rows: Rows) -> str:
    """Return what makes losses comparable beside the data: the settings that are not searched, and the folds.

    The seed is among them: of its draws the held-out patients that stop the boosting. The first
    trial alone holds the searched settings of params.yaml.
    """
    own = {name: value for name, value in values.lightgbm.model_dump().items() if name not in SEARCHED}
    folds = hashlib.sha256()
    for train, test in rows.folds.split():
        folds.update(train.tobytes() + b"tested on" + test.tobytes())
    told = {**own, "seed": values.seed, "clip": values.clip, "bins": BINS, "folds": folds.hexdigest()[:16]}
    return json.dumps(told, sort_keys=True)


class _Objective:
    """Log loss over the folds; binning and folds are made once.

    ``best`` holds the loss, and the losses by row of every fold, of the best trial within the budget.
    """

    def __init__(self, rows: Rows, values: ModelValues, budget: int) -> None:
        import lightgbm

        self.rows, self.values, self.budget = rows, values, budget
        self.x = clipped(rows.x, *bounds(rows.x, values.clip))
        self.best: tuple[float, list[np.ndarray]] | None = None
        self.fixed = settings(values, rows.names, rows.monotone) | {"feature_pre_filter": False, "max_bin": BINS}
        whole = lightgbm.Dataset(
            self.x,
            rows.y,
            weight=rows.weight,
            feature_name=list(rows.names),
            params=self.fixed,
            free_raw_data=False,
        ).construct()
        folds = rows.folds.split()
        places = [(train, test) for train, test in folds if len(np.unique(rows.y[train])) == 2 and len(test)]
        self.folds: list[tuple[lightgbm.Dataset, lightgbm.Dataset, np.ndarray]] = [
            (whole.subset(train.tolist()).construct(), whole.subset(test.tolist()).construct(), test)
            for train, test in places
        ]
        if not self.folds:
            raise InputError("no fold holds both classes", where="tuning", remedy="give more patients, or no --trials")

    def __call__(self, trial: optuna.Trial) -> float:
        import lightgbm
        import optuna

        found = {
            "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
            "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.15, log=True),
            "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 500, log=True),
            "lambda_l2": trial.suggest_float("lambda_l2", 1e-2, 100, log=True),
            "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
        }
        own = self.values.lightgbm
        losses: list[float] = []
        rounds: list[int] = []
        by_row: list[np.ndarray] = []
        for number, (train, valid, places) in enumerate(self.folds):
            booster = lightgbm.train(
                self.fixed | found,
                train,
                num_boost_round=own.rounds,
                valid_sets=[valid],
                callbacks=[lightgbm.early_stopping(own.patience, verbose=False)],
            )
            rounds.append(max(1, booster.best_iteration))
            margin = booster.predict(self.x[places], raw_score=True, num_iteration=rounds[-1], num_threads=1)
            by_row.append(log_loss(self.rows.y[places], np.asarray(margin)))
            losses.append(float(np.average(by_row[-1], weights=self.rows.weight[places])))
            trial.report(float(np.mean(losses)), number)
            if number + 1 < len(self.folds) and self._behind(by_row):
                raise optuna.TrialPruned
        cost = float(np.mean(rounds)) * found["num_leaves"]
        if cost <= self.budget and (self.best is None or np.mean(losses) < self.best[0]):
            self.best = float(np.mean(losses)), by_row
        trial.set_user_attr("losses", losses)
        trial.set_user_attr("cost", cost)
        trial.set_constraint(COST, cost / self.budget - 1)
        return float(np.mean(losses))

    def _behind(self, by_row: list[np.ndarray]) -> bool:
        """Return whether losses by row are surely worse than the best trial's on the same folds."""
        if self.best is None:
            return False
        worse = np.concatenate([ours - least for ours, least in zip(by_row, self.best[1])])
        places = np.concatenate([places for _, _, places in self.folds[: len(by_row)]])
        share = self.rows.weight[places] / self.rows.weight[places].sum()
        mean = float(share @ worse)
        _, who = np.unique(self.rows.patient_id[places], return_inverse=True)
        apart = np.bincount(who, weights=share * (worse - mean))  # rows of one patient vary together
        return mean > SURE * float(np.sqrt(apart @ apart))


def _won(study: optuna.Study, values: ModelValues) -> Tuned:
    """Return the cheapest trial whose loss is within one standard error, paired by fold, of the least."""
    complete = [each for each in study.trials if each.state.name == "COMPLETE"]
    feasible = [each for each in complete if each.user_attrs["cost"] and each.constraints.get(COST, 0.0) <= 0]
    if not feasible:
        raise InputError(
            "no trial stayed within the budget of trees x leaves",
            where="tuning",
            remedy="raise evaluation.leaves, or try more settings",
        )
    best = min(feasible, key=lambda each: each.value or 0.0)
    least = np.array(best.user_attrs["losses"])
    near = []
    for each in feasible:
        behind = np.array(each.user_attrs["losses"]) - least
        error = behind.std(ddof=1) / np.sqrt(len(behind)) if len(behind) > 1 else 0.0
        if behind.mean() <= error:
            near.append(each)
    chosen = min(near, key=lambda each: (each.user_attrs["cost"], each.number))
    pruned = sum(each.state.name == "PRUNED" for each in study.trials)
    told = f"{len(complete)} trials complete, {pruned} pruned; least log loss {best.value:.5f} (trial {best.number})"
    told += f"; trial {chosen.number} is the simplest within one standard error: {chosen.value:.5f} at "
    told += f"{chosen.user_attrs['cost']:.0f} trees x leaves against {best.user_attrs['cost']:.0f}"
    settled = values.model_copy(update={"lightgbm": values.lightgbm.model_copy(update=chosen.params)})
    return Tuned(settled, tuple(_told(each) for each in study.trials), told)


def _told(trial: optuna.trial.FrozenTrial) -> Trial:
    figures = {"loss": trial.value} if trial.value is not None else {}
    if "cost" in trial.user_attrs:
        figures["trees_x_leaves"] = trial.user_attrs["cost"]
    if trial.duration is not None:
        figures["seconds"] = trial.duration.total_seconds()
    return Trial(trial.number, dict(trial.params), figures, trial.state.name)
