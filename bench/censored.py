"""Bias of the mean risk where many patients are lost: weights 1 / G against dropping the lost, five mechanisms.

python -m bench.censored

Every mechanism of ``bench.mechanisms``, with more people leaving. The truth of a landmark is the
simulator's, were the patient followed. Intervals are 95 %, from a bootstrap over patients.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np

from bench.best_predictor import truth
from bench.mechanisms import KEPT, mechanism
from features.lake import Lake
from simulation.write import hospital
from training.evaluate import Bootstrap, Figure
from training.labelled import Labelled, labelled
from training.measures import difference

END = date(2025, 12, 31)
LEAVING = {"churn_90d": 1.0, "diabetes_12m": 0.6}
"""Yearly hazard of leaving: a third to a fifth of the landmarks are lost before their question is answered."""


@dataclass(frozen=True)
class Bias:
    """Mean risk less the truth: with weights, with the lost dropped; and how much nearer the weighted one is."""

    lost: float
    true: float
    weighted: Figure
    dropped: Figure
    closer: Figure


def bias(data: Labelled, folder: Path) -> Bias:
    """Return what weighting and dropping make of the mean risk of a lake's landmarks."""
    true = truth(folder, data.task, data.patient_id, data.at)
    has = ~np.isnan(true)
    true, y, weight = true[has], data.y[has], data.weight[has]
    draw = Bootstrap(data.patient_id[has], 400, 1)

    def mean(value: np.ndarray, by: np.ndarray):  # type: ignore[no-untyped-def]
        return lambda counts: counts @ (value * by) / (counts @ by)

    kept = (weight > 0).astype(float)
    expected = mean(true, np.ones(len(true)))
    weighted, dropped = (difference(mean(y, by), expected) for by in (weight, kept))
    closer = difference(lambda c: np.abs(dropped(c)), lambda c: np.abs(weighted(c)))
    figures = (draw.figure(each) for each in (weighted, dropped, closer))
    return Bias(float(1 - kept.mean()), float(true.mean()), *figures)


def shown(figure: Figure) -> str:
    return f"{figure.value:+.4f} [{figure.lo:+.4f}, {figure.hi:+.4f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mechanisms", nargs="*", default=list(KEPT))
    parser.add_argument("--tasks", nargs="*", default=list(LEAVING), choices=tuple(LEAVING))
    parser.add_argument("--patients", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=61)
    given = parser.parse_args()
    for name in given.mechanisms:
        for task in given.tasks:
            setting = replace(mechanism(name), leave_rate=LEAVING[task], death_rate=0.0005)
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                hospital(folder, given.patients, 3, given.seed, END, setting=setting)
                found = bias(labelled(task, Lake(folder / "lake")), folder)
            print(
                f"{name} {task}: {found.lost:.1%} lost, mean risk {found.true:.4f}; weighted {shown(found.weighted)}, "
                f"dropped {shown(found.dropped)}; weighted is nearer by {shown(found.closer)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
