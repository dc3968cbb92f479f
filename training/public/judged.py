"""A table of people with an outcome, and our candidates judged on it out of fold."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from features.errors import InputError
from features.params import section
from training.calibrate import affine, sigmoid
from training.candidates import linear, scored, trees
from training.evaluate import EvaluationValues, Figure, figures
from training.measures import log_odds
from training.models.choice import Fit, choose
from training.models.points import PointScore
from training.models.values import ModelValues, model_values
from training.split import draw
from training.task import Direction, Inputs

SHOWN = ("auroc", "auprc", "brier", "slope", "oe", "ici")
FOLDS = 5


@dataclass(frozen=True)
class Table:
    """People of a public set.

    Parameters
    ----------
    names, x
        (n, k) inputs, NaN for null.
    y
        (n,) outcome, 1 or 0.
    person
        (n,) who a row belongs to: rows of one person, or copies of one row, are never parted.
    core
        The features of the logistic candidate, most important first.
    baselines
        Scores by name, higher meaning more risk; a null takes the median.
    monotone
        Features whose direction is sure.
    scores
        Published scores that stand for election, too.
    """

    names: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    person: np.ndarray
    core: tuple[str, ...]
    baselines: Mapping[str, np.ndarray]
    monotone: Mapping[str, Direction] = field(default_factory=dict)
    scores: tuple[PointScore, ...] = ()


@dataclass(frozen=True)
class Judged:
    """What came of a set.

    Parameters
    ----------
    name, question
        The set, and what was asked of it.
    design
        How people were parted, with the seed.
    rows, events
        How many were judged.
    winner
        Why that candidate won, with the losses of all.
    figures
        Figures of the winner by name; ``auroc_<baseline>`` and the paired ``gain_<baseline>``.
    published
        What others report, and where.
    note
        Why it is no leak, or what must be known.
    """

    name: str
    question: str
    design: str
    rows: int
    events: int
    winner: str
    figures: Mapping[str, Figure]
    published: str
    note: str = ""


def data_folder() -> Path:
    """Return where the public sets are: CAREPATH_DATA.

    Raises
    ------
    InputError
        It is not set, or no folder.
    """
    given = os.environ.get("CAREPATH_DATA", "")
    if not given or not Path(given).is_dir():
        raise InputError("the public sets are not here", where="CAREPATH_DATA", remedy="point it at their folder")
    return Path(given)


def data_file(*parts: str) -> Path:
    """Return a file of the public sets, or raise InputError naming it."""
    file = data_folder().joinpath(*parts)
    if not file.is_file():
        raise InputError("there is no such file", where=f"CAREPATH_DATA/{'/'.join(parts)}")
    return file


def cross_validated(table: Table, name: str, question: str, published: str, note: str = "") -> Judged:
    """Judge by folds of people: model and calibration of each fold never saw its people."""
    values = _values(table)
    among = _candidates(table, values, np.ones(len(table.y), dtype=bool))
    choice = choose(among, table.x, table.y, table.person, FOLDS, values.seed)
    margin, probability = log_odds(choice.probability), np.empty(len(table.y))
    fold = np.minimum((draw(table.person, f"folds-{values.seed}") * FOLDS).astype(int), FOLDS - 1)
    for held in range(FOLDS):
        out = fold == held
        a, b = affine(margin[~out], table.y[~out])
        probability[out] = sigmoid(a * margin[out] + b)
    found = _figures(table, probability, np.ones(len(table.y), dtype=bool))
    design = f"{FOLDS} folds of people, seed {values.seed}"
    return _told(table.y, name, question, design, choice.text, found, published, note)


def held_out(table: Table, name: str, question: str, share: float, published: str, note: str = "") -> Judged:
    """Judge on a share of the people that nothing was fitted to, drawn by person."""
    values = _values(table)
    test = draw(table.person, f"public-{values.seed}") < share
    train = ~test
    among = _candidates(table, values, train)
    choice = choose(among, table.x[train], table.y[train], table.person[train], values.folds, values.seed)
    a, b = choice.calibration
    probability = np.full(len(test), np.nan)
    probability[test] = sigmoid(a * choice.model.margin(table.x[test]) + b)
    found = _figures(table, probability, test)
    design = f"{1 - share:.0%} fitted, {share:.0%} judged, by person, seed {values.seed}"
    return _told(table.y[test], name, question, design, choice.text, found, published, note)


def _values(table: Table) -> ModelValues:
    """Return the values of params.yaml; a leaf of a small table may be small."""
    values = model_values()
    least = min(values.lightgbm.min_data_in_leaf, max(5, len(table.y) // 200))
    return values.model_copy(update={"lightgbm": values.lightgbm.model_copy(update={"min_data_in_leaf": least})})


def _candidates(table: Table, values: ModelValues, train: np.ndarray) -> dict[str, Fit]:
    inputs = Inputs((), table.core, monotone=table.monotone)
    return scored(table.scores, table.names, table.x[train]) | {
        "logistic": linear(inputs, table.names, values),
        "lightgbm": trees(inputs, table.names, values),
    }


def _figures(table: Table, probability: np.ndarray, rows: np.ndarray) -> dict[str, Figure]:
    values = section("evaluation", EvaluationValues)
    baselines = {name: np.where(np.isnan(s), np.nanmedian(s), s)[rows] for name, s in table.baselines.items()}
    found = figures(table.y[rows], probability[rows], table.person[rows], baselines, values=values)
    return {name: each for name, each in found.items() if name in SHOWN or name.startswith(("auroc_", "gain_"))}


def _told(
    y: np.ndarray,
    name: str,
    question: str,
    design: str,
    winner: str,
    found: Mapping[str, Figure],
    published: str,
    note: str,
) -> Judged:
    return Judged(name, question, design, len(y), int(y.sum()), winner, found, published, note)
