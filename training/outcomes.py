"""Outcomes of scores that were given: label and weight once the time at risk has closed, and figures by month.

A score is closed when the lake reaches its landmark + horizon + reporting lag. Until then its label
is null: a patient who has not come back yet may still come.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError
from features.instants import DAY
from features.params import general, section
from training.attrition import Attrition
from training.censoring import weights
from training.evaluate import EvaluationValues, Figure, figures
from training.followup import Followup
from training.landmarks import span
from training.outcome import FollowedOutcome
from training.split import SplitValues
from training.tasks import task as task_named

if TYPE_CHECKING:
    import pandas as pd

    from features.lake import Lake

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


def outcomes(scores: pd.DataFrame, lake: Lake, overrides: tuple[str, ...] = ()) -> pd.DataFrame:
    """Return the scores with ``label`` and ``weight`` added.

    Parameters
    ----------
    scores
        A row a score, as ``python -m serving score`` writes them: at least patient_id, at, task and
        probability; refused ones have no label.
    lake
        What happened since.

    Returns
    -------
    pandas.DataFrame
        ``label`` 1.0, 0.0 or null (open, refused, not asked of landmarks, or left out by the outcome's
        own rules); ``weight`` one over the probability of being followed so long, 0 where lost.

    Raises
    ------
    InputError
        A column is missing, or a task is unknown.
    """
    import pandas as pd

    for name in NEEDED:
        if name not in scores.columns:
            raise InputError(f"no column '{name}'", where="scores", given=name, known=tuple(scores.columns))
    split = section("split", SplitValues, overrides)
    end = span(lake).end
    at = pd.to_datetime(scores["at"], utc=True).astype("datetime64[us, UTC]").astype("int64").to_numpy()
    label, weight = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
    scored = scores["probability"].notna().to_numpy()
    names = scores["task"].astype(str).to_numpy()
    patient = scores["patient_id"].astype(str).to_numpy()
    for name in np.unique(names):
        task = task_named(str(name), overrides)
        if not isinstance(task.outcome, FollowedOutcome):
            continue
        closed = scored & (names == name) & (at + (task.horizon_days + split.reporting_lag_days) * DAY <= end)
        if not closed.any():
            continue
        places = np.flatnonzero(closed)
        order = places[np.lexsort((at[places], patient[places]))]
        log = Attrition()
        log.start("closed scores", patient[order])
        followed = Followup(lake, patient[order], at[order])
        found = task.outcome.label(followed, log, task.horizon_days, task.time.washout_days)
        known = ~np.isnan(found.y)
        weighed = weights(found.days[known], found.ended[known], split.least_followed).weight
        label[order[known]] = np.where(weighed > 0, found.y[known], np.nan)
        weight[order[known]] = weighed
    return scores.assign(label=label, weight=weight)


def by_month(labelled: pd.DataFrame, overrides: tuple[str, ...] = ()) -> tuple[Month, ...]:
    """Return the figures of the labelled scores by task and month of the score, in the zone of params.yaml."""
    import pandas as pd

    values = section("evaluation", EvaluationValues, overrides)
    month = pd.to_datetime(labelled["at"], utc=True).dt.tz_convert(general().timezone).dt.strftime("%Y-%m")
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


def add_outcomes(file: Path, lake: Lake, out: Path | None = None, overrides: tuple[str, ...] = ()) -> tuple[Month, ...]:
    """Add label and weight to a file of scores, whole or not at all, and return the figures by month.

    Raises
    ------
    InputError
        The file cannot be read as scores.
    """
    import pandas as pd

    try:
        scores = pd.read_parquet(file)
    except (OSError, ValueError):
        raise InputError("cannot be read as Parquet", where=file.name, remedy="give scores.parquet") from None
    labelled = outcomes(scores, lake, overrides)
    place = out or file
    fresh = place.with_name(place.name + ".new")
    labelled.to_parquet(fresh, index=False)
    fresh.replace(place)
    return by_month(labelled, overrides)
