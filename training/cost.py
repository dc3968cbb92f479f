"""What a model costs to keep and to answer with: its size, and the time of one explained score."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from training.evaluate import EvaluationValues
from training.gates import Gate
from training.linear import LinearModel
from training.scorer import Scorer
from training.trees import FILE, TreeModel
from training.treeshap.forest import Forest

_TIMES = 40


@dataclass(frozen=True)
class Cost:
    """The cost of one model.

    Attributes
    ----------
    size
        Trees x leaves of the largest tree; coefficients of a logistic regression; lines of a point score.
    milliseconds
        Of one explained score of one row, on this machine: the median of 40, the first left out.
    """

    size: int
    milliseconds: float

    def gate(self, values: EvaluationValues) -> Gate:
        """Return the gate: past the size it blocks, past the time it warns, since machines differ."""
        text = f"size {self.size:,} of {values.leaves:,} trees x leaves; one explained score "
        text += f"{self.milliseconds:.2f} ms of {values.milliseconds:g}"
        slow = "warn" if self.milliseconds > values.milliseconds else "pass"
        return Gate("latency and size", "block" if self.size > values.leaves else slow, text)


def cost(scorer: Scorer) -> Cost:
    """Measure a scorer on rows made up around its thresholds."""
    rows = scorer.model.rows(_TIMES + 1)
    taken = []
    for row in rows:
        start = time.perf_counter()
        scorer.explain(row[None, :])
        taken.append(time.perf_counter() - start)
    return Cost(size(scorer), float(np.median(taken[1:])) * 1000)


def size(scorer: Scorer) -> int:
    """Return trees x leaves of the largest tree, coefficients, or lines."""
    model = scorer.model
    if isinstance(model, TreeModel):
        trees = Forest.parse(model.text, FILE).trees
        return len(trees) * max((len(tree.feature) + 1 for tree in trees), default=0)
    if isinstance(model, LinearModel):
        return len(model.logistic.coefficients)
    return len(model.points.score.items)
