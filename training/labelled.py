"""Labelled: a task's landmarks of a lake as arrays, with their vectors, labels, parts and attrition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import InputError
from features.instants import DAY
from features.params import section
from features.vector import VectorSpec
from training.attrition import Attrition
from training.beside import beside, needs
from training.censoring import Weights, observed_risk, weights
from training.followup import Followup
from training.landmarks import landmarks
from training.mistakes import check, constant, empty, once, tables_lacking, varying
from training.models.values import model_values
from training.outcome import FollowedOutcome, labels
from training.permission import without_consent
from training.rounds import Rounds
from training.split import Split, SplitValues, draw, split
from training.task import Task
from training.tasks import task as task_named

if TYPE_CHECKING:
    from features.lake import Lake


@dataclass(frozen=True)
class Labelled:
    """Labelled rows, one a landmark, in order of patient and time.

    Parameters
    ----------
    task
        What was asked.
    spec
        The columns of ``x``: the model's inputs.
    x
        (n, k) float64, NaN for null.
    y
        (n,) 1.0 or 0.0.
    weights
        (n,) one over the probability of being followed so long; 0 where the row was lost to
        follow-up: its ``y`` means nothing.
    days, ended
        (n,) time from the landmark to what ended it, and what that was
        (:class:`training.censoring.Ended`): for the observed risk where death competes.
    patient_id, at
        (n,) landmarks; ``at`` in UTC microseconds.
    parts
        Train and test.
    eligible
        How many landmarks of the whole hospital are eligible in a month, on average.
    log
        Who was left out.
    beside
        What the model has to beat, by name: (n,) each, as ``training.beside`` gives them.
    sampled
        Share of the patients that was taken: below 1, a dry run.
    """

    task: Task
    spec: VectorSpec
    x: np.ndarray
    y: np.ndarray
    weights: Weights
    days: np.ndarray
    ended: np.ndarray
    patient_id: np.ndarray
    at: np.ndarray
    parts: Split
    eligible: float
    log: Attrition
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    sampled: float = 1.0

    @property
    def weight(self) -> np.ndarray:
        """(n,) weight of each row, the same in fitting, calibration and measures."""
        return self.weights.weight

    @property
    def rounds(self) -> Rounds:
        """The rows as a model is fitted to them again: to the train part, judged on the test part."""
        parts = ((self.parts.rows("train"), self.parts.rows("test")),)
        return Rounds(self.x, self.y, self.weight, self.patient_id, parts)

    def rows(self, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (x, y, patient_id) of a part."""
        mask = self.parts.rows(part)
        return self.x[mask], self.y[mask], self.patient_id[mask]

    def column(self, name: str) -> np.ndarray:
        """Return one feature's (n,) values."""
        return self.x[:, self.spec.names.index(name)]

    def constant(self) -> tuple[str, ...]:
        """Return the features that do not vary here: of no use to any model."""
        return constant(self.spec.names, self.x)

    def count(self, part: str = "") -> tuple[int, int]:
        """Return (patients, patients with an event) of a part, or of all, of those not lost to follow-up."""
        known = self.weight > 0
        if part:
            known = known & self.parts.rows(part)
        return len(np.unique(self.patient_id[known])), len(np.unique(self.patient_id[known & (self.y == 1)]))

    def cv(self, folds: int = 5) -> Folds:
        """Return a scikit-learn splitter of the train part: patients apart, time forward, an embargo of the horizon."""
        return Folds(self.patient_id, self.at, self.task.horizon_days, folds, self.parts.rows("train"))


@dataclass(frozen=True)
class Folds:
    """Patient-grouped, time-forward, embargoed folds for scikit-learn's ``cv=``.

    Parameters
    ----------
    among
        (n,) True for the rows that are dealt into folds; all where it is not given.
    """

    patient_id: np.ndarray
    at: np.ndarray
    horizon_days: int
    folds: int = 5
    among: np.ndarray | None = None

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        return self.folds

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (train, test) places: each fold's patients, tested after the others' label windows have closed.

        Where the landmarks are too few for the embargo, patients alone are kept apart.

        Raises
        ------
        InputError
            ``X`` is not the whole dataset: the folds are places in it.
        """
        if X is not None and len(X) != len(self.at):
            what = f"X has {len(X)} rows, the dataset {len(self.at)}"
            raise InputError(what, where="cv", remedy="give data.X and data.y whole: the folds take the train part")
        fold = np.minimum((draw(self.patient_id, "cv") * self.folds).astype(int), self.folds - 1)
        learnt, later = self._halves
        if not learnt.any():
            learnt = later = self._all
        for number in range(self.folds):
            yield np.flatnonzero((fold != number) & learnt), np.flatnonzero((fold == number) & later)

    @property
    def forward(self) -> bool:
        """Whether time runs forward: the landmarks reach over an embargo."""
        return bool(self._halves[0].any())

    @property
    def _all(self) -> np.ndarray:
        return np.ones(len(self.at), dtype=bool) if self.among is None else self.among

    @property
    def _halves(self) -> tuple[np.ndarray, np.ndarray]:
        """(n,) rows of the earlier half whose labels are closed by the middle, and those of the later half."""
        among = self._all
        middle = np.median(np.unique(self.at[among])) if among.any() else 0
        return among & (self.at + self.horizon_days * DAY <= middle), among & (self.at >= middle)


def labelled(
    task: Task | str, lake: Lake | Path | str, overrides: tuple[str, ...] = (), sample: float = 1.0
) -> Labelled:
    """Return the labelled vectors of a task over a lake.

    Parameters
    ----------
    task
        A task, its name, or the Python file that declares it.
    lake
        A lake, or its folder.
    overrides
        ``section.name=value`` texts, as given to ``--set``.
    sample
        Share of the patients to take.

    Raises
    ------
    InputError
        The lake is too short or too poor, or nobody is eligible.
    """
    from features.build import vectors
    from features.lake import Lake
    from features.plan import compile_plan

    lake = lake if isinstance(lake, Lake) else Lake(Path(lake))
    task = task_named(task, overrides) if isinstance(task, str) else task
    if not isinstance(task.outcome, FollowedOutcome):
        raise InputError(f"'{task.name}' is not asked of landmarks", where="dataset", remedy="see training run")
    values = section("split", SplitValues, overrides)
    declared = task.declared
    readable = check(task, declared)
    once(lake)
    patient_id, at, what = landmarks(lake, task, values.reporting_lag_days, sample)
    attrition = Attrition()
    attrition.start(what, patient_id)
    out = without_consent(lake, patient_id)
    if out is None:
        attrition.note("no consents in this lake: model_development could not be asked, nobody left out")
    else:
        attrition.drop("no current consent to model_development", patient_id, out, ~out)
        patient_id, at = patient_id[~out], at[~out]
    moments = np.unique(at)
    asked = vectors(lake, compile_plan(declared, task.cohort.needs), patient_id, at)
    kept = task.cohort.apply(dict(zip(task.cohort.needs, asked.T)), patient_id, attrition)
    patient_id, at = patient_id[kept], at[kept]
    if not len(patient_id):
        raise empty(task, attrition, tables_lacking(task, declared, lake))
    months = np.ptp(moments) / (30 * DAY) if task.landmarks == "discharges" else len(moments)
    eligible = len(patient_id) / max(1.0, months) / sample
    follow = Followup(lake, patient_id, at)
    found = labels(task.outcome, follow, attrition, task.horizon_days, task.time.washout_days)
    known = ~np.isnan(found.y)
    patient_id, at, y, days, ended = (each[known] for each in (patient_id, at, found.y, found.days, found.ended))
    if not len(y):
        raise empty(task, attrition)
    weighed = weights(days, ended, values.least_followed)
    if task.kind == "churn":
        risk = f"observed risk {np.average(y, weights=weighed.weight):.2%}"
    else:
        found_risk = float(observed_risk(days, ended)(np.ones((1, len(y))))[0])
        risk = f"observed risk {found_risk:.2%} (Aalen-Johansen, death competing)"
    attrition.note(f"{weighed.text}; {risk}")
    wanted = tuple(dict.fromkeys((*readable, *needs(task))))
    plan = compile_plan(declared, wanted)
    columns = dict(zip(plan.spec.names, vectors(lake, plan, patient_id, at).T))
    spec = plan.spec.subset(readable)
    x = np.ascontiguousarray(np.stack([columns[name] for name in readable], axis=1))
    varying(task, spec.names, x, attrition)
    parts = split(patient_id, at, task.horizon_days, values)
    parts = replace(parts, part=np.where(weighed.weight > 0, parts.part, ""))  # who was lost stands for nothing
    train = parts.rows("train")
    scores = beside(task, columns, train, y, weighed.weight, patient_id, model_values(overrides))
    return Labelled(task, spec, x, y, weighed, days, ended, patient_id, at, parts, eligible, attrition, scores, sample)
