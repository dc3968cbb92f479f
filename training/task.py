"""Task: a question asked of a cohort, what answers it, over which time, from which features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from features import catalogue
from features.derived import Derived
from features.errors import InputError
from features.group import FeatureGroup
from features.groups import MATERIAL
from features.over import over
from features.schema import EVENT_TABLES
from features.vector import VectorSpec
from training import sound
from training.cohort import Cohort
from training.outcome import ExaminedOutcome, FollowedOutcome, Outcome, read_by
from training.questionnaire import Questionnaire
from training.rule import Rule

Direction = Literal["up", "down"]
Kind = Literal["churn", "incident", "prevalent", "affinity", "rule"]
Landmarks = Literal["month_ends", "discharges"]


@dataclass(frozen=True)
class TimeAtRisk:
    """Outcomes count in ``(at + washout, at + horizon]``; one in the washout leaves the row out.

    A horizon of 0 asks about now (prevalent).
    """

    horizon_days: int
    washout_days: int = 0
    lookback_days: int = 365

    def __post_init__(self) -> None:
        for name in ("horizon_days", "washout_days", "lookback_days"):
            sound.days(getattr(self, name), name, "time at risk")
        if self.horizon_days and self.washout_days >= self.horizon_days:
            raise InputError("the washout leaves no time at risk", where="time at risk", remedy="washout < horizon")


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

    def __post_init__(self) -> None:
        for name in ("clinical_groups", "core", "left_out", "scores", "rfm"):
            sound.texts(getattr(self, name), name, "inputs")
        for pair in self.crosses:
            sound.texts(pair, "a pair of crosses", "inputs")
            if len(pair) != 2:
                raise InputError("a cross is no pair of features", where="inputs", remedy='crosses=(("a", "b"),)')
            if pair[0] == pair[1]:
                raise InputError(f"'{pair[0]}' is crossed with itself", where="inputs", remedy="name two features")
        if twice := sorted({each for each in self.core if self.core.count(each) > 1}):
            raise InputError(f"'{twice[0]}' stands twice in core", where="inputs", remedy="name it once")
        if self.splined is not None and self.splined < 0:
            raise InputError("splined is below 0", where="inputs", remedy="splined=0 for straight lines")
        for name in ("monotone", "protected", "baselines"):
            sound.is_a(getattr(self, name), Mapping, name, "inputs", f'{name}={{"feature": ...}}')
        for feature, direction in self.monotone.items():
            sound.one_of(direction, get_args(Direction), "direction", f"inputs, monotone {feature}")
        for name, baseline in self.baselines.items():
            sound.texts(baseline, f"baseline {name}", "inputs")
            if len(baseline) != 2:
                raise InputError(f"baseline {name} is no feature and direction", where="inputs", remedy='("a", "up")')
            sound.one_of(baseline[1], get_args(Direction), "direction", f"inputs, baseline {name}")

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
    kind: Kind
    zh: str
    en: str
    purposes: tuple[str, ...]
    time: TimeAtRisk
    inputs: Inputs
    cohort: Cohort
    outcome: Outcome
    own: tuple[FeatureGroup | Derived, ...] = ()
    questionnaire: Questionnaire | None = None
    landmarks: Landmarks = "month_ends"
    rule: Rule | None = None

    def __post_init__(self) -> None:
        sound.name(self.name, f"task '{self.name}'")
        where = f"task {self.name}"
        for words in (self.zh, self.en):
            sound.is_a(words, str, "zh or en", where, 'zh="...", en="...": the question in a few words')
        sound.one_of(self.kind, get_args(Kind), "kind", where)
        sound.one_of(self.landmarks, get_args(Landmarks), "kind of landmarks", where)
        sound.texts(self.purposes, "purposes", where)
        if not self.purposes:
            raise InputError("no purpose", where=where, remedy="name the purposes that it may be asked for")
        sound.is_a(self.time, TimeAtRisk, "time", where, "time=TimeAtRisk(horizon_days=60)")
        sound.is_a(self.inputs, Inputs, "inputs", where, "inputs=Inputs(clinical_groups=..., core=...)")
        sound.is_a(self.cohort, Cohort, "cohort", where, "cohort=Cohort((ALIVE, STAYED))")
        sound.is_a(self.own, (tuple, list), "own", where, "own=(my_group,)")
        for each in self.own:
            sound.is_a(each, (FeatureGroup, Derived), "own", where, "own=(my_group,), of @feature_group or @derived")
        if self.kind in ("churn", "incident"):
            remedy = "outcome=NoContact(), or another of training.outcome that has label()"
            sound.is_a(self.outcome, FollowedOutcome, "outcome", where, remedy)
            tables = read_by(self.outcome)
            sound.texts(tables, "tables", f"{where}, outcome")
            for table in tables:
                sound.one_of(table, EVENT_TABLES, "table", f"{where}, outcome")
        if self.kind == "prevalent":
            remedy = "outcome=UndiagnosedDiabetes(), or another that has asked() and found()"
            sound.is_a(self.outcome, ExaminedOutcome, "outcome", where, remedy)
            sound.is_a(self.questionnaire, Questionnaire, "questionnaire", where, "questionnaire=Questionnaire(...)")
        if self.kind == "rule":
            sound.is_a(self.rule, Rule, "rule", where, "rule=Rule(...)")
        if self.kind in ("churn", "incident", "affinity") and not self.time.horizon_days:
            raise InputError("a horizon of 0 days holds no outcome", where=where, remedy="horizon_days=60, say")

    @property
    def declared(self) -> tuple[FeatureGroup | Derived, ...]:
        """The catalogue with the task's own groups laid over it."""
        return over(catalogue(), self.own)

    @property
    def horizon_days(self) -> int:
        return self.time.horizon_days
