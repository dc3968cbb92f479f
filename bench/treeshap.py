"""The kernel against LightGBM's pred_contrib: 300 trees, 63 leaves, 200 features, one thread.

Calls are interleaved round by round and timed in CPU seconds of this process, call overhead included;
every row of a round is another one. Prints ratios (min, median, max) and absolute times, and ends with
an error where the answers differ or a median falls below its floor.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import sys
import time
from collections.abc import Callable

import lightgbm
import numpy as np

from bench.peers import pred_contrib
from features.progress import track
from training.treeshap import TreeShap

FLOORS = {"one row": 3.5, "batch": 8.0}


def model() -> tuple[lightgbm.Booster, np.ndarray]:
    """Train the model of the comparison; 5 % of its inputs are missing."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 200))
    score = X[:, :20] @ rng.normal(size=20) + np.sin(3 * X[:, 20]) + X[:, 21] * X[:, 22]
    y = score + rng.logistic(size=len(X)) > 0
    X[rng.random(X.shape) < 0.05] = np.nan
    params = {"objective": "binary", "num_leaves": 63, "learning_rate": 0.05, "num_threads": 1, "verbose": -1}
    return lightgbm.train(params, lightgbm.Dataset(X, y.astype(float)), 300), X


def seconds(call: Callable[[np.ndarray], np.ndarray], parts: list[np.ndarray]) -> float:
    start = time.process_time()
    for part in parts:
        call(part)
    return time.process_time() - start


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--rows", type=int, default=10_000, help="rows of the batch")
    told.add_argument("--rounds", type=int, default=5)
    asked = told.parse_args()
    booster, X = model()
    start = time.perf_counter()
    kernel = TreeShap(booster)
    loaded = time.perf_counter() - start

    def peer(part: np.ndarray) -> np.ndarray:
        return pred_contrib.explain(booster, part)

    ours, theirs = kernel(X[:200]), peer(X[:200])
    apart = float(np.abs(ours - theirs).max())
    print(f"largest difference {apart:.1e}; tables ready in {loaded:.2f} s; median of {asked.rounds} rounds")
    failed = apart > 1e-10
    many = [X[: asked.rows]]
    plans = {"one row": lambda k: [X[i : i + 1] for i in range(100 * k, 100 * k + 100)], "batch": lambda k: many}
    for name, plan in plans.items():
        ratios, times = [], []
        for k in track(range(asked.rounds), name):
            parts = plan(k)
            mine, other = seconds(kernel, parts), seconds(peer, parts)
            ratios.append(other / mine)
            times.append((mine / len(parts), other / len(parts)))
        least, middle, most = np.percentile(ratios, [0, 50, 100])
        mine, other = np.median(times, axis=0)
        size = "one row" if name == "one row" else f"{asked.rows} rows"
        spread = f"{middle:.1f}x ({least:.1f} to {most:.1f})"
        print(f"{size}: {spread}, {mine:.6f} s against {other:.6f} s; floor {FLOORS[name]}x")
        failed |= middle < FLOORS[name]
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
