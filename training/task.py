"""Task: a question asked of a cohort, what answers it, over which time, from which features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.groups import MATERIAL
from features.vector import VectorSpec
from training.cohort import Cohort
from training.outcome import Outcome
from training.questionnaire import Questionnaire
from training.rule import Rule

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class TimeAtRisk:
    """Outcomes count in ``(at + washout, at + horizon]``; one in the washout leaves the row out.

    A horizon of 0 asks about now (prevalent).
    """

    horizon_days: int
    washout_days: int = 0
    lookback_days: int = 365

    def __post_init__(self) -> None:
        if not 0 <= self.washout_days <= self.horizon_days or self.lookback_days < 0:
            raise InputError("the times do not fit", where="time at risk", remedy="0 <= washout <= horizon")


@dataclass(frozen=True)
class Inputs:
    """What a model may read.

    Parameters
    ----------
    clinical_groups
        Clinical groups of the catalogue, whole; a feature that core, crosses or monotone name is read, too.
    core
        The few features of the logistic candidate, in order of importance; the first are splined.
    splined
        How many of the core are splined; by default as many as params.yaml says.
    crosses
        Pairs of features whose interaction it has.
    monotone
        Features whose direction medicine is sure of.
    protected
        Clinical group -> the written clinical reason why a protected attribute is read here. A
        protected feature whose group is not named is left out.
    left_out
        Features of those groups that are not read, and why: those that reach further back than the
        look-back mean more the longer the records run, and would drift from training to serving.
    baselines
        Name -> (feature, direction): scores that a model has to beat.
    scores
        Published scores (``training.models.published``) that it has to beat, too.
    rhythm
        True where BG/NBD is such a score: churn.
    rfm
        Features of recency, frequency and money: a logistic regression of them is such a score, too. It
        may read what no model may (money): it is compared, never served.
    """

    clinical_groups: tuple[str, ...]
    core: tuple[str, ...]
    splined: int | None = None
    crosses: tuple[tuple[str, str], ...] = ()
    monotone: Mapping[str, Direction] = field(default_factory=dict)
    protected: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    baselines: Mapping[str, tuple[str, Direction]] = field(default_factory=dict)
    scores: tuple[str, ...] = ()
    rhythm: bool = False
    rfm: tuple[str, ...] = ()

    def there(self, names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """Return of the core, and of the crosses, those whose features are among these."""
        core = tuple(name for name in self.core if name in names)
        return core, tuple(pair for pair in self.crosses if set(pair) <= set(names))

    def names(self, spec: VectorSpec, purposes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the features that models may read: of these groups or named, and for every one of the purposes."""
        named = {*self.core, *self.monotone, *(name for pair in self.crosses for name in pair)}
        return tuple(
            feature.name
            for feature in spec.features
            if (feature.group in self.clinical_groups or feature.name in named)
            and (not feature.protected or feature.group in self.protected)
            and feature.name not in MATERIAL
            and feature.name not in self.left_out
            and set(purposes) <= set(feature.purposes)
        )


@dataclass(frozen=True)
class Task:
    """A question that a model is trained for.

    Parameters
    ----------
    name
        Such as ``churn_90d``: model, experiment and route carry it.
    kind
        ``churn``, ``incident``, ``prevalent`` or ``affinity``; ``rule`` for one that is not learnt.
    zh, en
        The question in a few words.
    purposes
        Purposes (of params.yaml) for which it may be asked.
    cohort
        Who may be asked about, at a landmark.
    outcome
        What is counted.
    time
        When it is counted.
    inputs
        What a model may read.
    own
        Feature groups that only this task needs (its disease's history), beside the catalogue's.
    questionnaire
        For a self-test: what is asked, instead of a record.
    landmarks
        When it is asked: at the end of every month, or whenever a discharge becomes known.
    rule
        For kind ``rule``: what decides, instead of a model.
    """

    name: str
    kind: Literal["churn", "incident", "prevalent", "affinity", "rule"]
    zh: str
    en: str
    purposes: tuple[str, ...]
    time: TimeAtRisk
    inputs: Inputs
    cohort: Cohort
    outcome: Outcome
    own: tuple[FeatureGroup | Derived, ...] = ()
    questionnaire: Questionnaire | None = None
    landmarks: Literal["month_ends", "discharges"] = "month_ends"
    rule: Rule | None = None

    def __post_init__(self) -> None:
        if not self.purposes:
            raise InputError(
                "no purpose", where=f"task {self.name}", remedy="name the purposes that it may be asked for"
            )

    @property
    def horizon_days(self) -> int:
        return self.time.horizon_days
