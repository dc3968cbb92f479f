"""What is asked of a ranker beside its figures, by section: for the report, the card and the gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.affinity.backtest import Rolled
from training.affinity.ranker import Sample
from training.affinity.recommender import Recommender
from training.benefit import CalibrationCurve
from training.evaluate import Bootstrap, EvaluationValues

SHOWN, ASKED = 10, 200
"""Items of a list, and latest user-days, that the shares of the reasons are taken over."""


def sections(rolled: Rolled, evaluation: EvaluationValues) -> dict[str, Any]:
    """Return ``ranking`` (every figure of the test days, and what the reasons rest on) and ``calibration_curve``."""
    y = rolled.opened.astype(float)
    found: dict[str, Any] = {"ranking": rolled.report}
    if 0 < y.sum() < len(y):
        draws = Bootstrap(rolled.user.astype(str), min(evaluation.replicates, 60), evaluation.seed)
        found["calibration_curve"] = CalibrationCurve(y, rolled.probability, draws).points()
    return found


def reasons(recommender: Recommender, days: Sequence[Sample]) -> dict[str, float]:
    """Return group -> share of the contributions, relative to the person's own candidates, to what is shown."""
    total = np.zeros(len(recommender.together.players))
    for day in list(days)[-ASKED:]:
        table = day.rows.astype(float)
        score = recommender.score(table)
        shown = np.argsort(-score, kind="stable")[:SHOWN]
        own, mean = recommender.explained(table, score, shown)
        total += np.abs(own - mean).sum(axis=0)
    share = total / max(total.sum(), 1e-12)
    return {name: round(float(each), 4) for name, each in zip(recommender.together.players, share, strict=True)}
