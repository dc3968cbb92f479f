"""What the gates detect and how often they alarm at nothing: flipped labels, missed groups, null data.

python -m bench.gates

Needs about five minutes of one core. A share of 200 seeds has a standard error of .015 at .95, a power
from 100 seeds one of .05 at most.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from training.calibrate import sigmoid
from training.evaluate import EvaluationValues
from training.fairness import judge
from training.months import label_shift

AXES = {"age": 5, "sex": 2, "region": 8, "insurance": 3, "department": 6, "age x sex": 10}


def intercept(prevalence: float, rng: np.random.Generator) -> float:
    """Return the constant at which margins of standard deviation 1 have this prevalence."""
    margin, lo, hi = rng.normal(size=200_000), -10.0, 5.0
    while hi - lo > 1e-4:
        middle = (lo + hi) / 2
        lo, hi = (lo, middle) if sigmoid(margin + middle).mean() > prevalence else (middle, hi)
    return lo


def flips(prevalence: float, share: float, months: int, rows: int, seed: int) -> tuple[float, float]:
    """Return (detection, false alarms): shares of the flipped and of the clean months that alarm.

    Histories of 24 months, the last of which is flipped: a share of its labels is turned round.
    """
    rng = np.random.default_rng(seed)
    constant = intercept(prevalence, rng)
    caught = false = 0
    for _ in range(months):
        margin = rng.normal(constant, 1, 24 * rows)
        p = sigmoid(margin)
        y = (rng.random(len(p)) < p).astype(float)
        month = np.repeat(np.arange(24), rows)
        patient = np.tile(np.arange(rows), 24)
        turned = (month == 23) & (rng.random(len(p)) < share)
        found = label_shift(np.where(turned, 1 - y, y), p, patient, month, np.ones(len(p)))
        caught += found[[each["month"] for each in found].index("23")]["alarm"]
        false += sum(each["alarm"] for each in found if each["month"] != "23")
    return caught / months, false / (months * 23)


def gaps(gap: float, n: int, seeds: int, values: EvaluationValues) -> tuple[float, float]:
    """Return the shares of seeds in which a group of n, whose true positive rate is lower by ``gap``, warns or blocks.

    Prevalence .35; the others are ten times as many and have a true positive rate of .70.
    """
    warned = blocked = 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        group = np.repeat(["asked", "others"], [n, 10 * n])
        y = (rng.random(11 * n) < 0.35).astype(float)
        rate = np.where(group == "asked", 0.7 - gap, 0.7)
        chosen = rng.random(11 * n) < np.where(y == 1, rate, 0.2)
        probability = np.where(chosen, 0.65, 0.185)
        found = judge(y, probability, np.arange(11 * n).astype(str), {"sex": group}, 0.5, values)
        verdict = next(each for each in found if each.group == "asked")
        hit = [why for why in verdict.why if why.startswith("true positive rate")]
        warned += bool(hit)
        blocked += bool(hit) and verdict.figures["tpr_gap"].lo > 0.10
    return warned / seeds, blocked / seeds


def null(seeds: int, rows: int, values: EvaluationValues) -> tuple[float, float]:
    """Return the shares of seeds in which a right risk, groups drawn at random, passes, and is not blocked."""
    passed = unblocked = 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        p = sigmoid(rng.normal(-1.2, 1.2, rows))
        y = (rng.random(rows) < p).astype(float)
        strata = {axis: rng.integers(0, count, rows).astype(str) for axis, count in AXES.items()}
        found = judge(y, p, np.arange(rows).astype(str), strata, float(np.quantile(p, 0.8)), values)
        verdicts = {each.verdict for each in found}
        passed += not verdicts & {"warn", "block"}
        unblocked += "block" not in verdicts
    return passed / seeds, unblocked / seeds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=200, help="of the null data")
    parser.add_argument("--power", type=int, default=100, help="seeds of each gap")
    parser.add_argument("--months", type=int, default=100)
    parser.add_argument("--rows", type=int, default=2000, help="patients a month, and rows of the null data")
    parser.add_argument("--replicates", type=int, default=200)
    given = parser.parse_args()
    values = EvaluationValues(replicates=given.replicates, seed=1, calls_per_day=1)
    start = time.perf_counter()
    print(f"flipped labels, {given.rows} patients a month, {given.months} histories of 24 months")
    for prevalence in (0.02, 0.10, 0.35):
        for share in (0.02, 0.05, 0.10):
            caught, false = flips(prevalence, share, given.months, given.rows, 1)
            told = f"detected {caught:.2f}, false {false:.4f} a clean month ({23 * given.months} of them)"
            print(f"  prevalence {prevalence:.2f}, {share:.0%} flipped: {told}", flush=True)
    print(f"a group with a lower true positive rate, {given.power} seeds")
    for n in (200, 1000):
        for gap in (0.0, 0.10, 0.20):
            warned, blocked = gaps(gap, n, given.power, values)
            print(f"  n {n}, gap {gap:.2f}: warns or blocks {warned:.2f}, blocks {blocked:.2f}", flush=True)
    passed, unblocked = null(given.seeds, given.rows, values)
    print(f"null data, {given.seeds} seeds: passes every group {passed:.3f}, is not blocked {unblocked:.3f}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
