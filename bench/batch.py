"""Top reasons for many rows: ours against LightGBM's pred_contrib, one thread, in bounded memory.

Ours gives for each row the calibrated probability, every feature's and every clinical group's exact
contribution, and the groups to name; the peer gives every feature's contribution, summed by group.
Interleaved chunk by chunk; prints CPU seconds per 1,000 rows and ends with an error below the floor.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import lightgbm
import numpy as np

from bench.hospital import TASKS, Sizes, standing
from bench.peers import pred_contrib
from features.progress import track
from serving.reasons import choose

FLOOR = 8.0
CHUNK = 1_000


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--rows", type=int, default=1_000_000, help="rows that ours explains")
    told.add_argument("--every", type=int, default=200, help="the peer explains each such chunk")
    told.add_argument("--trees", type=int, default=Sizes.trees)
    told.add_argument("--leaves", type=int, default=Sizes.leaves)
    told.add_argument("--work", type=Path, help="keep the hospital here and use it again")
    asked = told.parse_args()
    with tempfile.TemporaryDirectory(prefix="carepath-bench-") as work:
        made = standing(asked.work or Path(work), Sizes(200, 3.0, asked.trees, asked.leaves))
        from serving import production
        from serving.ledger import Ledger
        from serving.models import Models

        ledger = Ledger(made.home / "ledger.db")
        served = Models.approved(made.home, production.standing(ledger)).scored[TASKS[0]]
        ledger.close()
    booster = lightgbm.Booster(model_str=served.scorer.model.text)  # type: ignore[union-attr]
    members = [
        np.flatnonzero([each == group for each in served.scorer.groups.values()]) for group in served.used_groups
    ]
    rng = np.random.default_rng(1)
    base = served.scorer.model.rows(CHUNK)
    mine, other, theirs = 0.0, 0.0, 0
    for number in track(range(-(-asked.rows // CHUNK)), "rows"):
        rows = np.where(rng.random(base.shape) < 0.5, base, base[rng.permutation(CHUNK)])
        begun = time.process_time()
        found = served.scorer.explain(rows)
        for row, parts in enumerate(found.group_contributions.tolist()):
            choose(dict(zip(found.groups, parts, strict=True)), served.used_groups, served.unknown(rows[row]))
        mine += time.process_time() - begun
        if number % asked.every == 0:
            begun = time.process_time()
            contributions = pred_contrib.explain(booster, rows)
            sums = np.stack([contributions[:, own].sum(axis=1) for own in members], axis=1)
            np.argsort(-np.abs(sums), axis=1)[:, :4]
            other += time.process_time() - begun
            theirs += len(rows)
    ours, peer = 1e3 * mine / asked.rows, 1e3 * other / theirs
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{asked.rows} rows: {ours:.3f} s per 1,000, pred_contrib {peer:.3f} s: {peer / ours:.1f}x, floor {FLOOR}x")
    print(f"peak memory {peak:.2f} GB")
    return int(peer / ours < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
