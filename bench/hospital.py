"""A simulated hospital with six approved models and two keys: what the benchmarks of the service ask."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import yaml

if TYPE_CHECKING:
    from training.scorer import Scorer
    from training.task import Task

HORIZONS = {"diabetes": [12, 24, 36], "copd": [12, 24]}
TASKS = ("churn_90d", *(f"{disease}_{months}m" for disease, each in HORIZONS.items() for months in each))
PURPOSE = "care_followup"
END = "2025-12-31"
CLOCK = f"{END}T20:00:00+08:00"


@dataclass(frozen=True)
class Sizes:
    """How large the hospital and its models are: trees and leaves of every model, patients, years of records."""

    patients: int = 600
    years: float = 3.0
    trees: int = 300
    leaves: int = 63


@dataclass(frozen=True)
class Hospital:
    """A state folder ready to be served; ``work`` holds what it was made of."""

    home: Path
    work: Path
    keys: dict[str, str]


@dataclass(frozen=True)
class _Fitted:
    booster: Any


def settings(work: Path) -> Path:
    """Write a params.yaml that registers six tasks, and let this process and its children go by it."""
    from features.params import path

    os.environ.pop("CAREPATH_PARAMS", None)
    values = yaml.safe_load(path().read_text(encoding="utf-8"))
    for disease, months in HORIZONS.items():
        values["diseases"][disease]["horizons_months"] = months
    work.mkdir(parents=True, exist_ok=True)
    file = work / "params.yaml"
    file.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    os.environ["CAREPATH_PARAMS"] = str(file)
    return file


def standing(work: Path, sizes: Sizes) -> Hospital:
    """Return the hospital that an earlier run left in a folder, or make one there."""
    kept = work / "hospital.json"
    if not kept.is_file():
        hospital = make(work, sizes)
        kept.write_bytes(orjson.dumps(hospital.keys))
        return hospital
    os.environ["CAREPATH_PARAMS"] = str(work / "params.yaml")
    return Hospital(work / "home", work, orjson.loads(kept.read_bytes()))


def make(work: Path, sizes: Sizes) -> Hospital:
    """Simulate the hospital, fit and approve its models, fill the store, mint the keys."""
    from datetime import date

    from features.lake import Lake
    from features.store import EventStore
    from serving import approvals
    from serving.access import demo_keys
    from serving.ledger import Ledger
    from simulation.write import hospital
    from training.signing import sign
    from training.tasks import task

    settings(work)
    home = work / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    lake = Lake(hospital(work / "hospital", sizes.patients, sizes.years, 5, date.fromisoformat(END)))
    store = EventStore(home / "events.db")
    store.load(lake)
    store.close()
    keys = demo_keys(home)
    ledger = Ledger(home / "ledger.db")
    for name in TASKS:
        digest = fitted(task(name), lake, sizes).save(work / "models" / name, {})
        told = {"task": name, "version": "1", "digest": digest, "author": "bench"}
        told["artefact"] = str(work / "models" / name)
        proposal = work / f"{name}.json"
        proposal.write_bytes(orjson.dumps({**told, "signature": sign(told, "bench")}))
        approvals.approve(proposal, home, ledger, "compliance", "clinician")
    ledger.close()
    return Hospital(home, work, keys)


def fitted(task: Task, lake: Any, sizes: Sizes) -> Scorer:
    """Fit trees to the hospital's own vectors and to made-up outcomes: the cost is a real model's, the score is not."""
    import lightgbm

    from features import instants
    from features.build import vectors
    from features.plan import compile_plan
    from training.scorer import Scorer

    groups = task.declared
    spec = compile_plan(groups).spec
    spec = compile_plan(groups, task.inputs.names(spec, task.purposes)).spec
    plan = compile_plan(groups, spec.names)
    patients = np.array(sorted(set(lake.read("patients", columns=["patient_id"])["patient_id"].to_pylist())))
    end = instants.parse(CLOCK)
    ids, at = np.repeat(patients, 6), np.tile(end - np.arange(6) * 60 * instants.DAY, len(patients))
    X = vectors(lake, plan, ids, at)
    rng = np.random.default_rng(len(task.name))
    filled = np.nan_to_num(X)
    Z = (filled - filled.mean(axis=0)) / (filled.std(axis=0) + 1e-9)
    score = Z @ (rng.normal(size=X.shape[1]) * (rng.random(X.shape[1]) < 0.4))
    y = (score + rng.logistic(size=len(X)) > np.quantile(score, 0.8)).astype(float)
    params = {
        "objective": "binary",
        "num_leaves": sizes.leaves,
        "min_data_in_leaf": 10,
        "learning_rate": 0.05,
        "num_threads": 1,
        "verbosity": -1,
        "deterministic": True,
        "seed": 1,
    }
    data = lightgbm.Dataset(X, y, feature_name=list(spec.names), params={"verbosity": -1})
    booster = lightgbm.train(params, data, sizes.trees)
    return Scorer.of(
        _Fitted(booster),
        task=task.name,
        horizon_days=task.horizon_days,
        spec=spec,
        bands=(0.2, 0.5, 0.8),
        calibration=(1.0, 0.0),
    )
