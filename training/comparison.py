"""Challenger against champion, on the same rows, seen by neither in training: a paired bootstrap over patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from features.errors import InputError
from features.params import section
from training import measures
from training.evaluate import Bootstrap, EvaluationValues, Figure
from training.gates import Gate
from training.held_out import HeldOut
from training.outcome import ExaminedOutcome
from training.scorer import Scorer
from training.task import Task

if TYPE_CHECKING:
    from features.lake import Lake
    from training.labelled import Labelled

TOP = 4
EXPLAINED = 2000


@dataclass(frozen=True)
class Comparison:
    """How a challenger does beside the champion.

    Parameters
    ----------
    rows, patients
        That both scored.
    figures
        ``auroc_gain`` and ``brier_gain``, or ``ndcg10_gain`` and ``recall20_gain`` (positive where the challenger is
        better).
    overlap
        Share of the explanations that both models have in common, and what of them it is a share of.
    """

    champion: str
    rows: int
    patients: int
    figures: Mapping[str, Figure]
    overlap: float
    alike: str = "of the four main groups of a row are the same"

    def gates(self) -> tuple[Gate, ...]:
        """Block where the challenger is worse beyond its interval; warn where its reasons shift."""
        found = []
        for name, figure in self.figures.items():
            verdict = "block" if figure.hi < 0 else "pass"
            text = f"{figure.value:+.4f} [{figure.lo:+.4f}, {figure.hi:+.4f}] on {self.rows} rows, paired"
            found.append(Gate(f"against champion {self.champion}: {name}", verdict, text))
        verdict = "pass" if self.overlap >= 0.5 else "warn"
        text = f"{self.overlap:.2f} {self.alike}"
        found.append(Gate(f"against champion {self.champion}: explanations", verdict, text))
        return tuple(found)


@dataclass(frozen=True)
class Side:
    """One of the two models: the rows as it reads them, (n, k), and its (n,) probabilities of them."""

    scorer: Scorer
    x: np.ndarray
    probability: np.ndarray


def compare(
    challenger: Scorer,
    champion: Scorer,
    name: str,
    data: Labelled,
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
    plan = compile_plan(data.task.declared, champion.spec.names)
    if plan.spec.digest != champion.spec.digest:
        raise InputError("the champion's features are not those of this code", where=data.task.name)
    test = data.parts.rows("test")
    one, other = data.x[test], vectors(lake, plan, data.patient_id[test], data.at[test])
    sides = Side(challenger, one, challenger.probability(one)), Side(champion, other, champion.probability(other))
    return paired(name, *sides, data.y[test], data.patient_id[test], data.weight[test], overrides)


def compare_held_out(
    challenger: tuple[Scorer, HeldOut],
    champion: tuple[Scorer, HeldOut],
    name: str,
    task: Task,
    overrides: tuple[str, ...] = (),
) -> Comparison:
    """Compare what two runs of a self-test told people whom neither's models had seen.

    Raises
    ------
    InputError
        They were not the same people with the same findings, or one reads an answer that is asked no more.
    """
    from features.sources.nhanes import frame
    from training.screening import people

    table, outcome = frame(), cast(ExaminedOutcome, task.outcome)
    rows = people(table, (), outcome)

    def side(scorer: Scorer, held: HeldOut) -> Side:
        gone = [column for column in scorer.spec.names if column not in table.columns]
        if gone:
            raise InputError(f"reads '{gone[0]}', which is asked no more", where=task.name)
        if HeldOut.of(rows.person, rows.y, held.probability).people != held.people:
            raise InputError("its people are not those of this code", where=task.name)
        return Side(scorer, people(table, scorer.spec.names, outcome).x, held.probability)

    sides = side(*challenger), side(*champion)
    return paired(name, *sides, rows.y, rows.person, np.ones(len(rows.y)), overrides)


def paired(
    name: str,
    challenger: Side,
    champion: Side,
    y: np.ndarray,
    patient_id: np.ndarray,
    weight: np.ndarray,
    overrides: tuple[str, ...] = (),
) -> Comparison:
    """Return how two models do on the same rows, with intervals from the same samples of patients."""
    values = section("evaluation", EvaluationValues, overrides)
    draw = Bootstrap(patient_id, values.replicates, values.seed, weight)
    p, q = challenger.probability, champion.probability
    figures = {
        "auroc_gain": draw.figure(measures.difference(measures.auroc(y, p), measures.auroc(y, q))),
        "brier_gain": draw.figure(measures.difference(measures.brier(y, q), measures.brier(y, p))),
    }
    same = _overlap(_top(challenger), _top(champion))
    return Comparison(name, len(y), len(np.unique(patient_id)), figures, same)


def _top(side: Side) -> list[set[str]]:
    found = side.scorer.explain(side.x[:EXPLAINED])
    order = np.argsort(-np.abs(found.group_contributions), axis=1)[:, :TOP]
    return [{found.groups[place] for place in row} for row in order]


def _overlap(one: list[set[str]], other: list[set[str]]) -> float:
    return float(np.mean([len(a & b) / TOP for a, b in zip(one, other)])) if one else 0.0
