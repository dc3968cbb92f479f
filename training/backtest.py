"""Backtest: train with what was known at a date, score everybody eligible then, look at what came; move on.

At every date only events known by then are read for the labels that are learnt from, and only
landmarks whose time at risk and reporting lag had closed. The scores forward are labelled from the
whole lake. A patient may be learnt from and scored later, as in production. What the task names to be
beaten is fitted to the same rows at every date and judged on the same rows as the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.errors import InputError
from features.instants import DAY, iso, parse
from features.lake import Lake
from features.params import section
from features.progress import track
from training.attrition import Attrition
from training.beside import beside, needs
from training.calibrate import affine, sigmoid
from training.candidates import candidates, parameters
from training.censoring import weights
from training.evaluate import EvaluationValues, capacity, figures
from training.followup import Followup
from training.landmarks import landmarks, span
from training.mistakes import check, once
from training.models import logistic
from training.models.choice import Candidate, choose, out_of_fold
from training.models.values import model_values
from training.outcome import FollowedOutcome, labels, read_by
from training.permission import without_consent
from training.plain import plain, text
from training.sample_size import MIN_EVENTS, sample_size
from training.split import SplitValues
from training.task import Task
from training.tasks import task as task_named

if TYPE_CHECKING:
    import pandas as pd


class KnownBy(Lake):
    """A lake as it was at an instant: rows that became known later are not there."""

    def __init__(self, lake: Lake, at: int) -> None:
        super().__init__(lake.path)
        self._at = pa.scalar(at, pa.timestamp("us", tz="UTC"))

    def read(self, name: str, columns: Sequence[str] | None = None, patients: pa.Array | None = None) -> pa.Table:
        wanted = None if columns is None else list(dict.fromkeys([*columns, "known_at"]))
        read = super().read(name, wanted, patients)
        kept = read.filter(pc.fill_null(pc.less_equal(read["known_at"], self._at), True))
        return kept if columns is None else kept.select(list(columns))


@dataclass(frozen=True)
class Rows:
    """Eligible landmarks with their vectors, and the features that the baselines read, by name."""

    patient_id: np.ndarray
    at: np.ndarray
    x: np.ndarray
    needed: Mapping[str, np.ndarray]

    def where(self, mask: np.ndarray) -> Rows:
        needed = {name: column[mask] for name, column in self.needed.items()}
        return Rows(self.patient_id[mask], self.at[mask], self.x[mask], needed)


@dataclass(frozen=True)
class Backtest:
    """Predictions (patient_id, at, score, label, weight) and what they are worth, over all and by date."""

    predictions: pd.DataFrame
    metrics: dict[str, Any]


def backtest(name: str, lake: Path, begin: int, end: int, every_days: int, overrides: tuple[str, ...] = ()) -> Backtest:
    """Retrain along time and score forward.

    Parameters
    ----------
    begin, end
        First date, and the last that is allowed, UTC microseconds.
    every_days
        Days from one date to the next.

    Raises
    ------
    InputError
        The dates are turned round or outside the lake, the task is not asked of landmarks, or at no date
        was there enough to learn from.
    """
    task, opened = task_named(name, overrides), Lake(lake)
    if not isinstance(task.outcome, FollowedOutcome):
        raise InputError("is not asked of landmarks", where=f"backtest {name}", remedy="name a task of patients")
    if end < begin or every_days < 1:
        raise InputError("no date from --from to --to", where="backtest", remedy="--from D before --to D, --every 30d")
    dates = np.arange(begin, end + 1, every_days * DAY, dtype=np.int64)
    return _Walk(task, opened, dates, overrides).result()


def run_backtest(
    name: str,
    lake: Path,
    begin: str,
    end: str,
    every: str,
    out: Path,
    predictions: Path | None = None,
    overrides: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Read the dates as a person writes them, run the backtest of the task's kind, write its files, return its figures.

    Raises
    ------
    InputError
        A date or ``every`` cannot be read; else as :func:`backtest`.
    """
    days = every.removesuffix("d")
    if not days.isdecimal() or int(days) < 1:
        raise InputError("cannot read the step", where="--every", remedy="write it in days: 30d")
    found = backtest(name, lake, parse(begin), parse(end), int(days), overrides)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text(found.metrics), encoding="utf-8")
    if predictions is not None:
        predictions.parent.mkdir(parents=True, exist_ok=True)
        found.predictions.to_parquet(predictions, index=False)
    return found.metrics


class _Walk:
    """One backtest: rows computed once, a model a date."""

    def __init__(self, task: Task, lake: Lake, dates: np.ndarray, overrides: tuple[str, ...]) -> None:
        self.task, self.lake, self.dates = task, lake, dates
        self.split = section("split", SplitValues, overrides)
        self.evaluation = section("evaluation", EvaluationValues, overrides)
        self.settings = self.values = model_values(overrides)
        self.declared = task.declared
        self.names = check(task, self.declared)
        self.span = span(lake, *read_by(task.outcome))
        once(lake)
        if dates[0] >= self.span.end + DAY or dates[-1] < self.span.begin:
            raise InputError(
                f"the lake holds {iso(self.span.begin)[:10]} to {iso(self.span.end)[:10]}",
                where="backtest",
                remedy="choose --from and --to inside",
            )
        self.kind = self.winner = ""

    def result(self) -> Backtest:
        import pandas as pd

        ids, at, _ = landmarks(self.lake, self.task, self.split.reporting_lag_days)
        refused = without_consent(self.lake, ids)
        learnt = self.rows(*((ids, at) if refused is None else (ids[~refused], at[~refused])))
        everyone = self.lake.patients().astype(str)
        forward = self.rows(np.repeat(everyone, len(self.dates)), np.tile(self.dates, len(everyone)))
        label, weight = self.labelled(forward, self.lake, self.span.end)
        score = np.full(len(forward.at), np.nan)
        told, simpler = [], []
        for date in track(self.dates.tolist(), f"backtest {self.task.name}", len(self.dates)):
            rows = forward.at == date
            asked = forward.where(rows)
            found, score[rows], each = self.step(date, learnt, asked)
            told.append(found | self.judged(asked, score[rows], label[rows], weight[rows], each))
            simpler.append((rows, each))
        if np.isnan(score).all():
            raise InputError(
                f"at no date were there {MIN_EVENTS} patients with an event to learn from",
                where=f"backtest {self.task.name}",
                remedy="begin later, or give a longer lake",
            )
        scored = ~np.isnan(score)
        every = {name: column[scored] for name, column in _together(simpler, score).items()}
        overall = self.judged(forward.where(scored), score[scored], label[scored], weight[scored], every)
        predictions = pd.DataFrame(
            {
                "patient_id": forward.patient_id,
                "at": pd.to_datetime(forward.at, unit="us", utc=True),
                "score": score,
                "label": label,
                "weight": weight,
            }
        )[scored].reset_index(drop=True)
        metrics = {
            "task": self.task.name,
            "horizon_days": self.task.horizon_days,
            "from": iso(int(self.dates[0])),
            "to": iso(int(self.dates[-1])),
            "reporting_lag_days": self.split.reporting_lag_days,
            "overall": overall,
            "by_date": told,
        }
        return Backtest(predictions, metrics)

    def rows(self, patient_id: np.ndarray, at: np.ndarray) -> Rows:
        """Return the eligible of some landmarks, in order of patient and time, with their vectors."""
        from features.build import vectors
        from features.plan import compile_plan

        cohort = self.task.cohort
        asked = vectors(self.lake, compile_plan(self.declared, cohort.needs), patient_id, at)
        log = Attrition()
        log.start("landmarks", patient_id)
        kept = cohort.apply(dict(zip(cohort.needs, asked.T)), patient_id, log)
        needed = needs(self.task)
        plan = compile_plan(self.declared, tuple(dict.fromkeys((*self.names, *needed))))
        columns = dict(zip(plan.spec.names, vectors(self.lake, plan, patient_id[kept], at[kept]).T))
        x = np.stack([columns[name] for name in self.names], axis=1)
        return Rows(patient_id[kept], at[kept], x, {name: columns[name] for name in needed})

    def labelled(self, rows: Rows, lake: Lake, known: int) -> tuple[np.ndarray, np.ndarray]:
        """Return (label, weight) of rows by what a lake knew; both null where open or left out by the outcome."""
        label, weight = np.full(len(rows.at), np.nan), np.full(len(rows.at), np.nan)
        closed = np.flatnonzero(rows.at + (self.task.horizon_days + self.split.reporting_lag_days) * DAY <= known)
        if not len(closed):
            return label, weight
        log = Attrition()
        log.start("closed", rows.patient_id[closed])
        followed = Followup(lake, rows.patient_id[closed], rows.at[closed])
        outcome = self.task.outcome
        assert isinstance(outcome, FollowedOutcome)
        found = labels(outcome, followed, log, self.task.horizon_days, self.task.time.washout_days)
        there = ~np.isnan(found.y)
        weighed = weights(found.days[there], found.ended[there], self.split.least_followed).weight
        label[closed[there]] = np.where(weighed > 0, found.y[there], np.nan)
        weight[closed[there]] = weighed
        return label, weight

    def step(self, date: int, learnt: Rows, asked: Rows) -> tuple[dict[str, Any], np.ndarray, dict[str, np.ndarray]]:
        """Train with what was known at a date; return what was done, and the scores and baselines of the rows asked."""
        told: dict[str, Any] = {"at": iso(date), "scored": len(asked.at)}
        past = learnt.where(learnt.at <= date)
        y, weight = self.labelled(past, KnownBy(self.lake, date), date)
        known = weight > 0
        rows, y, weight = past.where(known), y[known], weight[known]
        events = len(np.unique(rows.patient_id[y == 1]))
        told |= {"trained_rows": len(y), "trained_patients": len(np.unique(rows.patient_id)), "trained_events": events}
        if note := self.too_few(rows, y, events):
            return told | {"kind": "none", "note": note}, np.full(len(asked.at), np.nan), {}
        model, (a, b) = self.fitted(rows, y, weight)
        score = sigmoid(a * model.margin(asked.x) + b)
        return told | {"kind": self.kind}, score, self.simpler(rows, y, weight, asked)

    def too_few(self, rows: Rows, y: np.ndarray, events: int) -> str:
        """Return what is missing to learn from rows, or nothing (``training.sample_size``)."""
        if not events or (y == 1).all():
            return f"{max(MIN_EVENTS - events, 1)} more patients with an event are needed"
        asked = parameters(self.task.inputs, self.names, self.settings, rows.x)
        size = sample_size(len(np.unique(rows.patient_id)), events, asked)
        return size.text if size.verdict == "refused" else ""

    def fitted(self, rows: Rows, y: np.ndarray, weight: np.ndarray) -> tuple[Candidate, tuple[float, float]]:
        """Return a model and its calibration; the kind is chosen at the first date and kept."""
        x, patient, values = rows.x, rows.patient_id, self.values
        among = candidates(self.task.inputs, self.names, values, x)
        if not self.kind:
            choice = choose(among, x, y, patient, values.folds, values.seed, weight)
            self.kind, self.winner = choice.model.kind, choice.name
            if isinstance(choice.model, logistic.Logistic):
                penalty = values.logistic.model_copy(update={"penalties": (choice.model.penalty,)})
                self.values = values.model_copy(update={"logistic": penalty})
            return choice.model, choice.calibration
        fit = among[self.winner]
        margin = out_of_fold(fit, x, y, patient, values.folds, values.seed, weight)
        return fit(x, y, patient, weight), affine(margin, y, weight)

    def simpler(self, rows: Rows, y: np.ndarray, weight: np.ndarray, asked: Rows) -> dict[str, np.ndarray]:
        """Return the task's baselines of the rows asked, fitted to the others where they are fitted at all."""
        columns = {name: np.concatenate([column, asked.needed[name]]) for name, column in rows.needed.items()}
        patient, unknown = np.concatenate([rows.patient_id, asked.patient_id]), np.full(len(asked.at), np.nan)
        train = np.arange(len(patient)) < len(y)
        given = columns, train, np.r_[y, unknown], np.r_[weight, unknown], patient
        return {name: each[~train] for name, each in beside(self.task, *given, self.settings).items()}

    def judged(
        self,
        rows: Rows,
        score: np.ndarray,
        label: np.ndarray,
        weight: np.ndarray,
        baselines: Mapping[str, np.ndarray],
    ) -> dict[str, Any]:
        """Return how many are closed and the figures of those, the baselines beside them, or none for one class."""
        closed = (weight > 0) & ~np.isnan(label) & ~np.isnan(score)
        y = label[closed]
        told: dict[str, Any] = {"closed": int(closed.sum()), "events": int(y.sum()), "figures": {}}
        if len(np.unique(y)) == 2:
            share = capacity(len(rows.at) / len(np.unique(rows.at)), self.evaluation)
            same = {name: each[closed] for name, each in baselines.items()}
            patient = rows.patient_id[closed]
            found = figures(y, score[closed], patient, same, share, self.evaluation, weight[closed])
            found.pop(f"gain_{self.winner}", None)  # a published score that was chosen gains nothing over itself
            told["capacity"] = share
            told["figures"] = {name: plain([each.value, each.lo, each.hi]) for name, each in found.items()}
        return told


def _together(parts: list[tuple[np.ndarray, dict[str, np.ndarray]]], score: np.ndarray) -> dict[str, np.ndarray]:
    """Return the (n,) baselines of every date, by name: those that stand at each date with scores."""
    given = [(rows, each) for rows, each in parts if not np.isnan(score[rows]).all()]
    found = {}
    for name in given[0][1]:
        if all(name in each for _, each in given):
            found[name] = np.full(len(score), np.nan)
            for rows, each in given:
                found[name][rows] = each[name]
    return found
