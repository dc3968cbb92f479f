"""Challenger against champion, on the same rows of the test part: a paired bootstrap over patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from features import catalogue
from features.errors import InputError
from features.params import section
from training import measures
from training.evaluate import Bootstrap, EvaluationValues, Figure
from training.gates import Gate
from training.scorer import Scorer

if TYPE_CHECKING:
    from features.lake import Lake
    from training.dataset import Dataset

TOP = 4
EXPLAINED = 2000


@dataclass(frozen=True)
class Comparison:
    """How a challenger does beside the champion.

    Parameters
    ----------
    rows, patients
        Of the test part that both scored.
    figures
        ``auroc_gain`` and ``brier_gain`` (both positive where the challenger is better).
    overlap
        Share of the four greatest clinical groups of a row that both models name.
    """

    champion: str
    rows: int
    patients: int
    figures: Mapping[str, Figure]
    overlap: float

    def gates(self) -> tuple[Gate, ...]:
        """Block where the challenger is worse beyond its interval; warn where its reasons shift."""
        found = []
        for name, figure in self.figures.items():
            verdict = "block" if figure.hi < 0 else "pass"
            text = f"{figure.value:+.4f} [{figure.lo:+.4f}, {figure.hi:+.4f}] on {self.rows} rows, paired"
            found.append(Gate(f"against champion {self.champion}: {name}", verdict, text))
        verdict = "pass" if self.overlap >= 0.5 else "warn"
        text = f"{self.overlap:.2f} of the four main groups of a row are the same"
        found.append(Gate(f"against champion {self.champion}: explanations", verdict, text))
        return tuple(found)


def compare(
    challenger: Scorer,
    champion: Scorer,
    name: str,
    data: Dataset,
    lake: Lake,
    overrides: tuple[str, ...] = (),
) -> Comparison:
    """Score the test part of a data set with both models.

    Parameters
    ----------
    data
        Of the challenger's task; its columns are the challenger's.
    lake
        Where the champion's own columns are computed from.

    Raises
    ------
    InputError
        The features of one of them are no longer those of this code.
    """
    from features.build import vectors
    from features.plan import compile_plan

    if data.spec.digest != challenger.spec.digest:
        raise InputError("the challenger's features are not those of this code", where=data.task.name)
    plan = compile_plan((*catalogue(), *data.task.own), champion.spec.names)
    if plan.spec.digest != champion.spec.digest:
        raise InputError("the champion's features are not those of this code", where=data.task.name)
    test = data.parts.rows("test")
    patient, y, weight = data.patient_id[test], data.y[test], data.weight[test]
    one = data.x[test]
    other = vectors(lake, plan, patient, data.at[test])
    p, q = challenger.probability(one), champion.probability(other)
    values = section("evaluation", EvaluationValues, overrides)
    draw = Bootstrap(patient, values.replicates, values.seed, weight)
    figures = {
        "auroc_gain": draw.figure(measures.difference(measures.auroc(y, p), measures.auroc(y, q))),
        "brier_gain": draw.figure(measures.difference(measures.brier(y, q), measures.brier(y, p))),
    }
    some = slice(0, EXPLAINED)
    same = _overlap(_top(challenger, one[some]), _top(champion, other[some]))
    return Comparison(name, len(y), len(np.unique(patient)), figures, same)


def _top(scorer: Scorer, x: np.ndarray) -> list[set[str]]:
    found = scorer.explain(x)
    order = np.argsort(-np.abs(found.group_contributions), axis=1)[:, :TOP]
    return [{found.groups[place] for place in row} for row in order]


def _overlap(one: list[set[str]], other: list[set[str]]) -> float:
    return float(np.mean([len(a & b) / TOP for a, b in zip(one, other)])) if one else 0.0
