"""Outcomes of scores that were given: label and weight once the time at risk has closed, and figures by month.

A score is closed when the lake reaches its landmark + horizon + reporting lag. Until then its label
is null: a patient who has not come back yet may still come. So is that of one whose time at risk was over
before the lake's records begin.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError
from features.instants import DAY, wall_clock
from features.params import general, section
from training.at import instants
from training.attrition import Attrition
from training.censoring import weights
from training.evaluate import EvaluationValues, Figure, figures
from training.followup import Followup
from training.landmarks import span
from training.outcome import FollowedOutcome, labels, read_by
from training.split import SplitValues
from training.tasks import task as task_named

if TYPE_CHECKING:
    import pandas as pd

    from features.lake import Lake
    from training.task import Task

NEEDED = ("patient_id", "at", "task", "probability")
SHOWN = ("auroc", "slope", "intercept", "oe", "brier")


@dataclass(frozen=True)
class Month:
    """Scores of one task in one month: how many, how many closed, and the figures of those (none for one class)."""

    task: str
    month: str
    scores: int
    closed: int
    events: int
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Added:
    """What came of a file of scores: figures by month, and how many scores are of patients the lake does not know."""

    months: tuple[Month, ...]
    unknown: int


@dataclass(frozen=True)
class _Scores:
    """Scores, their (n,) instants, and where the lake knows the patient: nobody can say what became of others."""

    table: pd.DataFrame
    at: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, lake: Lake, where: str) -> _Scores:
        for name in NEEDED:
            if name not in table.columns:
                raise InputError(f"no column '{name}'", where=where, given=name, known=tuple(map(str, table.columns)))
        if missing := int(table["task"].isna().sum()):
            raise InputError(f"{missing} of {len(table)} values are null", where=f"{where}, column task")
        import pandas as pd

        probability = pd.to_numeric(table["probability"], errors="coerce")
        wrong = table["probability"].notna() & ~probability.between(0, 1)
        if wrong.any():
            what = f"{int(wrong.sum())} of {len(table)} values are no probabilities"
            remedy = "numbers from 0 to 1, null where a score was refused"
            raise InputError(what, where=f"{where}, column probability", remedy=remedy)
        table = table.assign(probability=probability.astype(float))
        known = table["patient_id"].astype(str).isin(lake.patients().astype(str)).to_numpy(dtype=bool)
        return cls(table, instants(table["at"], where), known)


def outcomes(
    scores: pd.DataFrame,
    lake: Lake,
    overrides: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Return the scores with ``label`` and ``weight`` added.

    Parameters
    ----------
    scores
        A row a score, as ``python -m serving score`` writes them: at least patient_id, at, task and
        probability; refused ones have no label.
    lake
        What happened since.
    files
        Python files that declare tasks of the scores, as ``training run`` takes them.

    Returns
    -------
    pandas.DataFrame
        ``label`` 1.0, 0.0 or null (open, refused, not asked of landmarks, of a patient whom the lake does
        not know, or left out by the outcome's own rules); ``weight`` one over the
        probability of being followed so long, 0 where lost.

    Raises
    ------
    InputError
        A column is missing, a time or a probability cannot be read, or a task is unknown.
    """
    return _labelled(_Scores.of(scores, lake, "scores"), lake, overrides, files)


def _labelled(given: _Scores, lake: Lake, overrides: tuple[str, ...], files: tuple[str, ...]) -> pd.DataFrame:
    scores, at, split = given.table, given.at, section("split", SplitValues, overrides)
    declared = {each.name: each for each in (task_named(file, overrides) for file in files)}
    label, weight = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    scored = scores["probability"].notna().to_numpy() & given.known
    names = scores["task"].astype(str).to_numpy()
    patient = scores["patient_id"].astype(str).to_numpy()
    for name in np.unique(names):
        task: Task = declared.get(str(name)) or task_named(str(name), overrides)
        if not isinstance(task.outcome, FollowedOutcome):
            continue
        watched, horizon = span(lake, *read_by(task.outcome)), task.horizon_days * DAY
        closed = scored & (names == name) & (at + horizon + split.reporting_lag_days * DAY <= watched.end)
        closed &= at + horizon > watched.begin
        if not closed.any():
            continue
        places = np.flatnonzero(closed)
        order = places[np.lexsort((at[places], patient[places]))]
        log = Attrition()
        log.start("closed scores", patient[order])
        followed = Followup(lake, patient[order], at[order])
        found = labels(task.outcome, followed, log, task.horizon_days, task.time.washout_days)
        asked = ~np.isnan(found.y)
        weighed = weights(found.days[asked], found.ended[asked], split.least_followed).weight
        label[order[asked]] = np.where(weighed > 0, found.y[asked], np.nan)
        weight[order[asked]] = weighed
    return scores.assign(label=label, weight=weight)


def by_month(labelled: pd.DataFrame, at: np.ndarray, overrides: tuple[str, ...] = ()) -> tuple[Month, ...]:
    """Return the figures of labelled scores by task and month of their (n,) instants, in the zone of params.yaml."""
    import pandas as pd

    values = section("evaluation", EvaluationValues, overrides)
    month = pd.Series(wall_clock(at, general().zone).astype("datetime64[M]").astype(str), index=labelled.index)
    found = []
    for (task, when), rows in labelled.groupby([labelled["task"].astype(str), month]):
        closed = rows[(rows["weight"] > 0) & rows["label"].notna()]
        y = closed["label"].to_numpy(dtype=float)
        told: dict[str, Figure] = {}
        if len(np.unique(y)) == 2:
            probability, patient = closed["probability"].to_numpy(dtype=float), closed["patient_id"].astype(str)
            weight = closed["weight"].to_numpy(dtype=float)
            all_figures = figures(y, probability, patient.to_numpy(), values=values, weight=weight)
            told = {name: all_figures[name] for name in SHOWN}
        found.append(Month(str(task), str(when), len(rows), len(closed), int(y.sum()), told))
    return tuple(found)


def add_outcomes(
    file: Path,
    lake: Lake,
    out: Path | None = None,
    overrides: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
) -> Added:
    """Add label and weight to a file of scores, whole or not at all, and return the figures by month.

    Parameters
    ----------
    files
        Python files that declare tasks of the scores.

    Raises
    ------
    InputError
        The file cannot be read as scores; nothing is written then.
    """
    import pandas as pd

    try:
        scores = pd.read_parquet(file)
    except (OSError, ValueError):
        raise InputError("cannot be read as Parquet", where=file.name, remedy="give scores.parquet") from None
    given = _Scores.of(scores, lake, file.name)
    labelled = _labelled(given, lake, overrides, files)
    found = Added(by_month(labelled, given.at, overrides), int((~given.known).sum()))
    place = out or file
    if place.is_dir():
        raise InputError("is a folder", where=f"--out {place.name}", remedy="give a file")
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(place.name + ".new")
    labelled.to_parquet(fresh, index=False)
    fresh.replace(place)
    return found
