"""How far a task's model is from the best that could be predicted from observables.

The best predictor is LightGBM fitted to the simulator's true probability on ten times the patients
of a separate seed, over all catalogue features, its settings chosen on a fifth of them. Its AUROC and
the truth's are taken on the test rows of our own run, beside ours and the baselines.

    python -m bench.best_predictor churn_90d diabetes_12m
    python -m bench.best_predictor --mechanism busy --patients 50000 --out busy.jsonl incident

``incident`` stands for every incident task of 12 months, ``incident_36m`` for those of 36, which have a
truth and a test part where the records are long enough (``--years 8``). The best predictor's vectors are
made once for all tasks that are asked of the same days.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.mechanisms import MECHANISMS, mechanism
from features import catalogue
from features.build import vectors
from features.errors import InputError
from features.lake import Lake
from features.plan import compile_plan
from simulation.write import hospital
from training import measures
from training.evaluate import Bootstrap, Figure
from training.labelled import Labelled, labelled
from training.landmarked import fit
from training.split import draw
from training.task import Task
from training.tasks import task as task_named
from training.tasks import tasks

END = date(2025, 12, 31)
SETTINGS = (
    {"num_leaves": 31, "min_data_in_leaf": 100, "learning_rate": 0.08, "feature_fraction": 0.3},
    {"num_leaves": 63, "min_data_in_leaf": 200, "learning_rate": 0.05, "feature_fraction": 0.3},
    {"num_leaves": 15, "min_data_in_leaf": 100, "learning_rate": 0.1, "feature_fraction": 0.5},
)
ROUNDS, PATIENCE, BINS = 1500, 40, 63
TUNED_ON = 0.2  # share of the patients that the settings are compared on


@dataclass(frozen=True)
class Comparison:
    """AUROC on the same test rows: of outcomes that came about, and as expected under the truth.

    ``gap`` is the best predictor's less ours, ``slope`` our calibration slope.
    """

    task: str
    patients: int
    rows: int
    events: int
    realised: dict[str, float]
    expected: dict[str, float]
    gap: Figure
    expected_gap: Figure
    slope: Figure


def truth(folder: Path, task: Task, patient_id: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the true probability of each landmark, NaN where the simulator gives none."""
    told = pd.read_parquet(folder / "truth" / f"{task.name}.parquet")
    told["at"] = told["at"].astype("datetime64[us, UTC]").astype("int64")
    told = told[told["at"].isin(np.unique(at))]
    asked = pd.DataFrame({"patient_id": patient_id, "at": at})
    return asked.merge(told, on=["patient_id", "at"], how="left")["probability"].to_numpy()


class Many:
    """The patients of the best predictor, one landmark each drawn among some moments, and their vectors."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder, self.seed = folder, seed
        self.lake = Lake(folder / "lake")
        self.ids = self.lake.patients().astype(str)
        self._made: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}

    def at(self, moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the landmarks (n,), and the vectors of the whole catalogue (n, features)."""
        key = tuple(int(each) for each in moments)
        if key not in self._made:
            at = np.random.default_rng(self.seed).choice(moments, len(self.ids))
            self._made = {key: (at, vectors(self.lake, compile_plan(catalogue()), self.ids, at))}
        return self._made[key]


def best(many: Many, task: Task, moments: np.ndarray, settings: tuple[dict[str, float], ...], seed: int = 0) -> Any:
    """Return the booster of the best predictor: one landmark a patient, drawn among ``moments``.

    It is kept beside its patients, and taken from there when it is asked for again.
    """
    import lightgbm

    kept_as = many.folder / f"best_{task.name}.txt"
    if kept_as.exists():
        return lightgbm.Booster(model_file=kept_as)
    ids, (at, x) = many.ids, many.at(moments)
    asked = vectors(many.lake, compile_plan(task.declared, task.cohort.needs), ids, at)
    columns = dict(zip(task.cohort.needs, asked.T))
    kept = np.logical_and.reduce([np.asarray(each.keep(columns), dtype=bool) for each in task.cohort.criteria])
    probability = truth(many.folder, task, ids, at)
    kept &= ~np.isnan(probability)
    ids, x, probability = ids[kept], x[kept], probability[kept]
    held = draw(ids, "best") < 0.15
    few = draw(ids, "tuned") < TUNED_ON

    def fitted(setting: dict[str, float], rows: np.ndarray) -> Any:
        told = {
            "objective": "cross_entropy",
            "num_threads": 1,
            "verbosity": -1,
            "seed": seed,
            "max_bin": BINS,
            **setting,
        }
        train = lightgbm.Dataset(x[rows & ~held], probability[rows & ~held], params=told)
        valid = lightgbm.Dataset(x[held], probability[held], reference=train, params=told)
        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        return lightgbm.train(told, train, num_boost_round=ROUNDS, valid_sets=[valid], callbacks=[stop])

    def loss(booster: Any) -> float:
        return float(booster.best_score["valid_0"]["cross_entropy"])

    setting = min(settings, key=lambda each: loss(fitted(each, few))) if len(settings) > 1 else settings[0]
    booster = fitted(setting, np.ones(len(ids), dtype=bool))
    size = f"{setting['num_leaves']} leaves, {booster.best_iteration} trees"
    print(f"  best predictor: {len(ids)} landmarks, {size}, loss {loss(booster):.5f}", flush=True)
    booster.save_model(kept_as, num_iteration=booster.best_iteration)
    return booster


def compare(
    name: str, ours: Path, theirs: Many, patients: int, settings: tuple[dict[str, float], ...] = SETTINGS
) -> Comparison:
    """Train our model on one hospital, the best predictor on another, and judge both on our test rows."""
    task = task_named(name)
    lake = Lake(ours / "lake")
    data = labelled(task, lake)
    fitted = fit(data)
    test = data.parts.rows("test")
    known = ~np.isnan(truth(ours, task, data.patient_id, data.at)) & test
    x, y, patient, at = data.x[known], data.y[known], data.patient_id[known], data.at[known]
    probability = truth(ours, task, patient, at)
    booster = best(theirs, task, np.unique(data.at[test]), settings)
    scores = {
        "ours": fitted.scorer.probability(x),
        "best": booster.predict(vectors(lake, compile_plan(catalogue()), patient, at)),
        "truth": probability,
        **_baselines(data, known),
    }
    draws = Bootstrap(patient, 300, 1)
    ones = np.ones((1, len(y)))
    return Comparison(
        name,
        patients,
        len(y),
        int(y.sum()),
        {key: float(measures.auroc(y, score)(ones)[0]) for key, score in scores.items()},
        {key: float(expected_auroc(probability, score)(ones)[0]) for key, score in scores.items()},
        draws.figure(measures.difference(measures.auroc(y, scores["best"]), measures.auroc(y, scores["ours"]))),
        draws.figure(
            measures.difference(
                expected_auroc(probability, scores["best"]), expected_auroc(probability, scores["ours"])
            )
        ),
        draws.figure(measures.slope(y, scores["ours"])),
    )


def expected_auroc(probability: np.ndarray, score: np.ndarray) -> measures.Measure:
    """AUROC with each row counted as an event with its true probability: free of the outcomes' chance."""
    twice = np.concatenate([score, score])
    outcome = np.r_[np.ones(len(score)), np.zeros(len(score))]
    measure = measures.auroc(outcome, twice)
    return lambda weights: measure(np.concatenate([weights * probability, weights * (1 - probability)], axis=1))


def _baselines(data: Labelled, rows: np.ndarray) -> dict[str, np.ndarray]:
    found = {}
    for name, (feature, direction) in data.task.inputs.baselines.items():
        score = np.nan_to_num(data.column(feature)[rows], nan=-1e9)
        found[name] = score if direction == "up" else -score
    return found


def show(found: Comparison) -> str:
    """Return a comparison as lines of text."""
    lines = [
        f"{found.task}: {found.patients} patients, {found.rows} test rows, {found.events} events",
        *(
            f"  AUROC {name:8s} {value:.4f}   expected under the truth {found.expected[name]:.4f}"
            for name, value in found.realised.items()
        ),
        *(
            f"  {text} {figure.value:+.4f} [{figure.lo:+.4f}, {figure.hi:+.4f}]"
            for text, figure in (
                ("best less ours", found.gap),
                ("the same, expected", found.expected_gap),
                ("calibration slope", found.slope),
            )
        ),
    ]
    return "\n".join(lines)


def asked(names: list[str]) -> list[str]:
    """Return the tasks named; ``incident`` and ``incident_36m`` are every incident one of that horizon."""
    incident = [each.name for each in tasks() if each.kind == "incident"]
    found: list[str] = []
    for name in names:
        months = name.removeprefix("incident") or "_12m"
        found += [each for each in incident if each.endswith(months)] if name.startswith("incident") else [name]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=["churn_90d", "diabetes_12m"])
    parser.add_argument("--mechanism", default="default", choices=tuple(MECHANISMS))
    parser.add_argument("--patients", type=int, default=20_000)
    parser.add_argument("--times", type=int, default=10, help="patients of the best predictor, in units of ours")
    parser.add_argument("--years", type=float, default=3)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--keep", type=Path, help="folder to keep the two hospitals and the best predictors in")
    parser.add_argument("--out", type=Path, help="file that a line of JSON is added to for every task")
    given = parser.parse_args()
    setting = mechanism(given.mechanism)
    with tempfile.TemporaryDirectory() as temporary:
        place = given.keep or Path(temporary)
        ours, theirs = place / "ours", place / "theirs"
        for folder, size, seed in (
            (ours, given.patients, given.seed),
            (theirs, given.patients * given.times, given.seed + 1),
        ):
            if not (folder / "lake").is_dir():
                hospital(folder, size, given.years, seed, END, setting=setting)
        many = Many(theirs)
        for name in asked(given.tasks):
            start = time.process_time()
            try:
                found = compare(name, ours, many, given.patients)
            except InputError as error:
                print(f"{given.mechanism} {name}: {error}", flush=True)
                continue
            print(f"{given.mechanism} {show(found)}")
            print(f"  {time.process_time() - start:.0f} s of CPU; {json.dumps(found.realised)}", flush=True)
            if given.out:
                with given.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"mechanism": given.mechanism, "seed": given.seed, **asdict(found)}) + "\n")


if __name__ == "__main__":
    main()
