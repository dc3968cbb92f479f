"""How good a risk is: every figure with its 95 % interval from a bootstrap over patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from features.errors import InputError
from features.params import Values, section
from training import measures
from training.calling import callable_as
from training.measures import Measure

if TYPE_CHECKING:
    import pandas as pd

    from training.dataset import Dataset
    from training.labelled import Labelled


class EvaluationValues(Values):
    """Section ``evaluation`` of params.yaml.

    ``leaves`` is the most trees x leaves that a model may have: what it costs to answer and to keep;
    ``milliseconds`` what one explained score of it should take at most.
    """

    replicates: int = Field(ge=50)
    seed: int = Field(ge=0)
    calls_per_day: float = Field(gt=0)
    leaves: int = Field(ge=1, default=20_000)
    milliseconds: float = Field(gt=0, default=20.0)


@dataclass(frozen=True)
class Figure:
    """A value and the ends of its 95 % interval."""

    value: float
    lo: float
    hi: float

    def covers(self, target: float) -> bool:
        return self.lo <= target <= self.hi


class Bootstrap:
    """Samples of patients with replacement, the same for every figure of one evaluation.

    Parameters
    ----------
    patient_id
        (n,) patient of each row: a patient's rows are drawn together.
    replicates
        How many samples.
    weight
        (n,) weight of each row beside its count, such as one over the probability of being followed; ones by default.
    """

    def __init__(self, patient_id: np.ndarray, replicates: int, seed: int, weight: np.ndarray | None = None) -> None:
        self._weight = np.ones(len(patient_id)) if weight is None else np.asarray(weight, dtype=float)
        names, self._row = np.unique(patient_id, return_inverse=True)
        rng = np.random.default_rng(seed)
        count = len(names)
        drawn = (rng.integers(0, count, count) for _ in range(replicates))
        self._counts = np.stack([np.bincount(places, minlength=count) for places in drawn])

    def figure(self, measure: Measure) -> Figure:
        """Return the measure of the rows themselves and its percentile interval."""
        value, drawn = self.each(measure)
        return interval(float(value), drawn)

    def each(self, measure: Measure) -> tuple[np.ndarray, np.ndarray]:
        """Return the measure of the rows themselves and of every sample; it may have several columns."""
        value = measure(self._weight[None, :])[0]
        chunk = max(1, 4_000_000 // max(len(self._row), 1))
        parts = [
            measure(self._counts[start : start + chunk, self._row] * self._weight)
            for start in range(0, len(self._counts), chunk)
        ]
        return value, np.concatenate(parts)

    def sums(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted sums of (n, m) columns over the rows, (m,), and over every sample, (b, m)."""
        weighed = columns * self._weight[:, None]
        patients = np.stack(
            [np.bincount(self._row, weights=column, minlength=self._counts.shape[1]) for column in weighed.T], 1
        )
        return patients.sum(axis=0), self._counts @ patients


def interval(value: float, drawn: np.ndarray) -> Figure:
    """Return a value with the percentile interval of its samples; NaN ends where none is finite."""
    drawn = drawn[np.isfinite(drawn)]
    if not len(drawn):
        return Figure(value, float("nan"), float("nan"))
    lo, hi = np.percentile(drawn, [2.5, 97.5])
    return Figure(value, float(lo), float(hi))


def figures(
    y: np.ndarray,
    probability: np.ndarray,
    patient_id: np.ndarray,
    baselines: Mapping[str, np.ndarray] | None = None,
    capacity: float = 0.05,
    values: EvaluationValues | None = None,
    weight: np.ndarray | None = None,
) -> dict[str, Figure]:
    """Return discrimination, calibration and lift of a probability, and the baselines beside it.

    Parameters
    ----------
    y
        (n,) outcome, 0 or 1.
    probability
        (n,) predicted.
    baselines
        Scores by name, higher meaning more risk (a null is the lowest): ``auroc_<name>`` is theirs,
        ``gain_<name>`` ours less theirs on the same samples.
    capacity
        Share of the rows that can be acted on, for the lift.
    weight
        (n,) weight of each row, one over the probability of being followed so long: with it the observed
        risk, and so O:E, is Aalen-Johansen's. A row of weight 0 was lost and counts for nothing.

    Raises
    ------
    InputError
        Lengths that differ, one class, a probability outside [0, 1].
    """
    values = values or section("evaluation", EvaluationValues)
    y, probability = np.asarray(y, dtype=float), np.asarray(probability, dtype=float)
    if not len(y) == len(probability) == len(patient_id) == len(y if weight is None else weight):
        raise InputError("outcome, probability, patients and weights differ in length", where="evaluation")
    if len(np.unique(y)) < 2:
        raise InputError("the rows hold one class only", where="evaluation", remedy="evaluate on more patients")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError("a probability is null or outside [0, 1]", where="evaluation")
    draw = Bootstrap(patient_id, values.replicates, values.seed, weight)
    ours = measures.auroc(y, probability)
    found: dict[str, Measure] = {
        "auroc": ours,
        "auprc": measures.auprc(y, probability),
        "brier": measures.brier(y, probability),
        "brier_scaled": measures.brier_scaled(y, probability),
        "slope": measures.slope(y, probability),
        "intercept": measures.intercept(y, probability),
        "oe": measures.observed_expected(y, probability),
        "ici": measures.integrated_calibration(y, probability),
        "lift": measures.lift(y, probability, capacity),
    }
    for name, score in (baselines or {}).items():
        theirs = measures.auroc(y, np.nan_to_num(score, nan=-np.inf))
        found[f"auroc_{name}"] = theirs
        found[f"gain_{name}"] = measures.difference(ours, theirs)
    return {name: draw.figure(measure) for name, measure in found.items()}


def flat(found: Mapping[str, Figure], part: str = "test") -> dict[str, float]:
    """Return the figures as ``test_auroc``, ``test_auroc_lo``, ``test_auroc_hi`` and so on."""
    out: dict[str, float] = {}
    for name, figure in found.items():
        out |= {f"{part}_{name}": figure.value, f"{part}_{name}_lo": figure.lo, f"{part}_{name}_hi": figure.hi}
    return out


def evaluate(
    data: Dataset | Labelled, probability: np.ndarray | pd.Series, values: EvaluationValues | None = None
) -> dict[str, Figure]:
    """Return the figures of anybody's predictions of a dataset's test part, the task's baselines beside them.

    Parameters
    ----------
    data
        As ``training.dataset`` gives it, or its arrays.
    probability
        One for every row of the dataset, or one for every row of its test part, in order; a pandas Series is
        put into that order by its index, which is the dataset's.

    Raises
    ------
    InputError
        There are more or fewer, or of other rows; one is null or outside [0, 1].
    """
    from training.dataset import Dataset

    data = data.rows if isinstance(data, Dataset) else data
    values = values or section("evaluation", EvaluationValues)
    test = data.parts.rows("test")
    told = _ordered(probability, test)
    if told.shape not in ((len(test),), (int(test.sum()),)):
        what = f"probabilities of shape {told.shape}, wanted {len(test)} or the {int(test.sum())} of the test part"
        raise InputError(what, where="evaluation", remedy="of predict_proba the second column: [:, 1]")
    told = told[test] if len(told) == len(test) else told
    baselines = {name: score[test] for name, score in data.beside.items()}
    patient, share = data.patient_id[test], capacity(data.eligible, values)
    return figures(data.y[test], told, patient, baselines, share, values, data.weight[test])


def _ordered(probability: Any, test: np.ndarray) -> np.ndarray:
    """Return probabilities in the order of the dataset, or of its test part, whose places a Series names."""
    import pandas as pd

    try:
        told = np.asarray(probability, dtype=float)
    except (ValueError, TypeError):
        raise InputError("the probabilities are no numbers", where="evaluation") from None
    if not isinstance(probability, pd.Series):
        return told
    given = probability.index
    order = np.argsort(given, kind="stable") if given.inferred_type == "integer" else np.arange(len(told))
    places = np.asarray(given)[order]
    of_part = np.array_equal(places, np.flatnonzero(test))
    if of_part or np.array_equal(places, np.arange(len(test))):
        return told[order]
    if len(told) == int(test.sum()) and np.array_equal(places, np.arange(len(told))):
        return told[order]  # numbered afresh, in the order of the test part
    what = "the index of the probabilities is neither the dataset's nor its test part's"
    raise InputError(what, where="evaluation", remedy="pd.Series(p, index=data.X.index), or an array in that order")


def capacity(eligible: float, values: EvaluationValues) -> float:
    """Return the share of those ``eligible`` in a month that the calls of a month (30 days) reach."""
    return float(min(1.0, values.calls_per_day * 30 / max(eligible, 1.0)))


callable_as(__name__, evaluate)
