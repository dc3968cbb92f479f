"""The self-test's model: NHANES people, repeated folds, a calibration that was never fitted to its own rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from features.errors import InputError
from features.params import section
from features.progress import track
from features.vector import Feature, VectorSpec
from training import held_out, measures
from training.attrition import Attrition
from training.calibrate import affine, sigmoid
from training.candidates import linear, parameters, trees
from training.crossfold import crossfold
from training.evaluate import Bootstrap, EvaluationValues, Figure, flat
from training.fitted import Fitted, bands
from training.measures import Measure
from training.models.choice import Choice, compared, simplest
from training.models.choice import Fit as CandidateFit
from training.models.logistic import log_loss
from training.models.published import SCORES
from training.models.values import model_values
from training.outcome import ExaminedOutcome
from training.points import Points
from training.questionnaire import Questionnaire
from training.refit import Refit
from training.rounds import Rounds
from training.sample_size import sample_size
from training.scorer import Scorer
from training.split import draw
from training.task import Inputs, Task

if TYPE_CHECKING:
    import pandas as pd

REPEATS, FOLDS = 20, 5


@dataclass(frozen=True)
class People:
    """Examined people: (n, k) inputs with NaN for no answer, (n,) outcome, (n,) survey number."""

    names: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    person: np.ndarray


def people(table: pd.DataFrame, names: tuple[str, ...], outcome: ExaminedOutcome) -> People:
    """Return the people whom the question is about.

    Parameters
    ----------
    table
        As ``features.sources.nhanes.frame`` gives it.
    names
        Columns to take as inputs.
    """
    told = table["told_diabetes"].map({"0": 0.0, "1": 1.0})
    chosen = table.assign(told_diabetes=told)[outcome.asked(table)]
    return People(
        names,
        chosen[list(names)].to_numpy(dtype=np.float64),
        outcome.found(chosen).astype(np.float64),
        chosen["seqn"].to_numpy(dtype=str),
    )


def left_out(table: pd.DataFrame, task: Task, outcome: ExaminedOutcome) -> Attrition:
    """Return who of the examined people is not learnt from, and why.

    Each criterion of the cohort that the table can answer is a step; the last one is of those of whom
    the outcome is not known.
    """
    person, log = table["seqn"].to_numpy(dtype=str), Attrition()
    log.start("people examined", person)
    asked, kept = outcome.asked(table), np.ones(len(table), dtype=bool)
    told = {"0": 0.0, "1": 1.0, "Borderline": 1.0}
    answers = table.assign(told_diabetes=table["told_diabetes"].map(told))
    for criterion in task.cohort.criteria:
        if not set(criterion.needs) <= set(answers.columns):
            log.note(f"{criterion.name}: not in the table, nobody left out")
            continue
        columns = {name: answers[name].to_numpy(dtype=np.float64) for name in criterion.needs}
        out = kept & ~asked & ~criterion.met(columns, len(person))
        kept &= ~out
        log.drop(criterion.name, person, out, kept)
    log.drop(f"the answer is known: {outcome.population}", person, kept & ~asked, asked)
    return log


@dataclass(frozen=True)
class Folded:
    """Margins of people by models that never saw them: (repeats, n), and the fold of each."""

    margin: np.ndarray
    fold: np.ndarray

    def calibrated(self, y: np.ndarray) -> np.ndarray:
        """Return (repeats, n) probabilities, each fold calibrated on the other folds' margins."""
        found = np.empty_like(self.margin)
        for number, (margin, fold) in enumerate(zip(self.margin, self.fold)):
            for held in np.unique(fold):
                rest = fold != held
                a, b = affine(margin[rest], y[rest])
                found[number, ~rest] = sigmoid(a * margin[~rest] + b)
        return found

    def losses(self, y: np.ndarray) -> np.ndarray:
        """Return the (n,) log losses of the calibrated probabilities, each the mean over the repeats."""
        return log_loss(y, measures.log_odds(self.calibrated(y))).mean(axis=0)


Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def folded(given: People, fit: Fit, repeats: int, seed: int, label: str) -> Folded:
    """Fit and predict in repeated folds, stratified by the outcome.

    Parameters
    ----------
    fit
        (x, y, person) of the training folds -> a function from x to margins.
    """
    margin = np.empty((repeats, len(given.y)))
    fold = np.empty((repeats, len(given.y)), dtype=np.int64)
    for number in track(range(repeats), label, repeats):
        rng = np.random.default_rng([seed, number])
        for kind in (0.0, 1.0):
            places = np.flatnonzero(given.y == kind)
            rng.shuffle(places)
            fold[number, places] = np.arange(len(places)) % FOLDS
        for held in range(FOLDS):
            out = fold[number] == held
            margin[number, out] = fit(given.x[~out], given.y[~out], given.person[~out])(given.x[out])
    return Folded(margin, fold)


def margins(fit: CandidateFit) -> Fit:
    """Return a candidate as a fold's fit."""

    def of(x: np.ndarray, y: np.ndarray, person: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        return fit(x, y, person).margin

    return of


def figures(
    given: People, found: Folded, values: EvaluationValues, prefix: str = "", only: tuple[str, ...] = ()
) -> dict[str, Figure]:
    """Return the mean over the repeats of every measure (or of some), with its interval over people."""
    probability = found.calibrated(given.y)
    draw = Bootstrap(given.person, values.replicates, values.seed)

    def mean(make: Callable[[np.ndarray, np.ndarray], Measure]) -> Measure:
        each = [make(given.y, row) for row in probability]
        return lambda weights: np.mean([measure(weights) for measure in each], axis=0)

    kinds: dict[str, Callable[[np.ndarray, np.ndarray], Measure]] = {
        "auroc": measures.auroc,
        "auprc": measures.auprc,
        "brier": measures.brier,
        "brier_scaled": measures.brier_scaled,
        "slope": measures.slope,
        "intercept": measures.intercept,
        "oe": measures.observed_expected,
        "ici": measures.integrated_calibration,
    }
    return {prefix + name: draw.figure(mean(kind)) for name, kind in kinds.items() if not only or name in only}


def simpler(given: People, inputs: Inputs) -> dict[str, np.ndarray]:
    """Return what the model has to beat, by name: (n,) single answers, a null the lowest, and published scores."""
    found = {
        name: np.nan_to_num((1 if direction == "up" else -1) * given.x[:, given.names.index(of)], nan=-np.inf)
        for name, (of, direction) in inputs.baselines.items()
    }
    published = (score for score in SCORES if score.name in inputs.scores)
    return found | {each.name: Points.fitted(each, given.x, given.names).margin(given.x) for each in published}


def against(
    given: People, found: Folded, values: EvaluationValues, simpler: Mapping[str, np.ndarray]
) -> dict[str, Figure]:
    """Return the AUROC of simpler scores of the same people, and what the model gains over each, paired."""
    draw = Bootstrap(given.person, values.replicates, values.seed)
    each = [measures.auroc(given.y, row) for row in found.calibrated(given.y)]

    def ours(weights: np.ndarray) -> np.ndarray:
        return np.asarray(np.mean([measure(weights) for measure in each], axis=0))

    told = {}
    for name, score in simpler.items():
        theirs = measures.auroc(given.y, score)
        told[f"auroc_{name}"] = draw.figure(theirs)
        told[f"gain_{name}"] = draw.figure(measures.difference(ours, theirs))
    return told


def beside(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the table with what the served models leave out, and its columns: ethnicity, told of prediabetes."""
    groups = sorted(table["ethnicity"].dropna().unique())[1:]
    coded = {f"ethnicity_{number}": (table["ethnicity"] == name).astype(float) for number, name in enumerate(groups)}
    return table.assign(**coded), (*coded, "told_prediabetes")


def fit_self_test(task: Task, overrides: tuple[str, ...] = (), sample: float = 1.0) -> Fitted:
    """Fit, calibrate and judge a self-test's model on NHANES 2017-2018, or on a share of its people.

    The simpler of the logistic model and trees within one standard error of the best wins. Its
    calibration is fitted to margins of people it never saw. A published score that was derived in
    another population than these people is compared with it, and does not stand for election. The
    folds are drawn by the seed of params.yaml whatever the overrides say: two runs are compared on the same.

    Raises
    ------
    InputError
        The task is no self-test; too few people, the number missing is named.
    """
    from features.sources.nhanes import frame

    if task.questionnaire is None or not isinstance(task.outcome, ExaminedOutcome):
        raise InputError("is no self-test", where=f"task {task.name}")
    values, drawn = model_values(overrides), model_values().seed
    evaluation = section("evaluation", EvaluationValues, overrides)
    table, names = frame(), task.inputs.core
    table = table[draw(table["seqn"].to_numpy(dtype=str), "sample") < sample].reset_index(drop=True)
    given = people(table, names, task.outcome)
    log = left_out(table, task, task.outcome)
    size = sample_size(len(given.y), int(given.y.sum()), parameters(task.inputs, names, values, given.x))
    if size.verdict == "refused":
        raise InputError(size.text, where=f"task {task.name}", remedy="take more of the people")
    among = {
        "logistic": linear(task.inputs, names, values),
        "lightgbm": trees(task.inputs, names, values),
    }
    repeats = dict.fromkeys(among, REPEATS) | {"lightgbm": 1}
    tried = {name: folded(given, margins(fit), repeats[name], drawn, f"folds, {name}") for name, fit in among.items()}
    losses = {name: each.losses(given.y) for name, each in tried.items()}
    behind = compared(losses, np.full(len(given.y), 1 / len(given.y)), given.person)
    chosen = simplest(behind)
    winner = tried[chosen]
    wide, extra = beside(table)
    more = people(wide, (*names, *extra), task.outcome)
    wider = margins(linear(replace(task.inputs, core=more.names), more.names, values))
    other = folded(more, wider, REPEATS, drawn, "folds with ethnicity")
    model = among[chosen](given.x, given.y, given.person)
    calibration = affine(winner.margin.ravel(), np.tile(given.y, len(winner.margin)))
    a, b = calibration
    held = winner.calibrated(given.y).mean(axis=0)
    scorer = Scorer.of(
        model,
        task=task.name,
        horizon_days=0,
        spec=spec(task.questionnaire, names),
        bands=bands(held, values.bands),
        calibration=calibration,
    )
    told = figures(given, winner, evaluation)
    told |= against(given, winner, evaluation, simpler(given, task.inputs))
    told |= figures(more, other, evaluation, "with_ethnicity_prediabetes_", ("auroc", "slope"))
    mean = {name: float(loss.mean()) for name, loss in losses.items()}
    text = Choice(chosen, model, calibration, held, mean, behind).text
    logged = values.logged() | {"repeats": REPEATS, "folds": FOLDS, "winner": scorer.kind}
    rounds = Rounds.of_folds(given.x, given.y, given.person, winner.fold[0])
    asked = crossfold(task, rounds, scorer, Refit.of(task, scorer, values, logged), held, evaluation)
    return Fitted(
        task,
        scorer,
        population={
            "patients": len(given.y),
            "patients_with_event": int(given.y.sum()),
            "source": f"NHANES 2017-2018 (CDC, public domain): {task.outcome.population}",
            "split": f"{REPEATS} x {FOLDS} folds of people",
            "dates": "examined in 2017 and 2018",
            "sample_size": size.text,
            "verdict": size.verdict,
        },
        model={"kind": scorer.kind, "choice": text, "calibration": {"a": a, "b": b}, "bands": list(scorer.bands)},
        figures=flat(told) | {"test_events": float(given.y.sum())} | dict(asked.figures),
        parameters=logged,
        attrition=tuple(log.rows()),
        notes=(
            text,
            "with_ethnicity_prediabetes: the same with ethnicity and 'told of prediabetes', reported and never served",
            f"{size.verdict}: {size.text}",
        ),
        exploratory=size.verdict == "exploratory",
        files={**asked.files, held_out.FILE: held_out.HeldOut.of(given.person, given.y, held).to_json()},
        held=(held, given.y),
        sections=asked.sections,
    )


def spec(form: Questionnaire, names: tuple[str, ...]) -> VectorSpec:
    """Return the columns of the self-test's model, in the order of its features."""
    inputs = {each.name: each for each in form.inputs}
    return VectorSpec(
        tuple(
            Feature(
                name,
                inputs[name].zh,
                inputs[name].en,
                inputs[name].unit,
                inputs[name].clinical_group,
                None,
                ("self_test",),
                inputs[name].protected,
                inputs[name].actionable,
                {"answer": inputs[name].of or name},
            )
            for name in names
        )
    )
