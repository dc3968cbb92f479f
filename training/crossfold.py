"""What is asked of a self-test's model: as of one on landmarks, but of people judged by folds that never saw them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from features.progress import track
from training import alarms, intervals
from training.assessment import fitted_again, group_figures
from training.benefit import CalibrationCurve, decision_curve
from training.evaluate import Bootstrap, EvaluationValues
from training.fairness import judge
from training.refit import Refit
from training.rounds import Rounds
from training.scorer import Scorer
from training.strata import age_bands
from training.task import Task


@dataclass(frozen=True)
class Crossfold:
    """Sections for the report, the card and the gates; figures by group for MLflow; files of the artefact."""

    sections: Mapping[str, Any]
    figures: Mapping[str, float]
    files: Mapping[str, str]


def crossfold(
    task: Task,
    data: Rounds,
    scorer: Scorer,
    refit: Refit,
    probability: np.ndarray,
    values: EvaluationValues,
) -> Crossfold:
    """Judge out-of-fold probabilities, and the model fitted again.

    Parameters
    ----------
    task
        A self-test, ``age`` and ``male`` among its inputs.
    data
        The people and their folds.
    scorer
        What is served; its band ``high`` is the operating point, from which a person is told to have herself tested.
    refit
        How it was fitted.
    probability
        (n,) by models that did not see the person.
    """
    names, cut = task.inputs.core, scorer.bands[1]
    x, y, person = data.x, data.y, data.patient_id
    draw = Bootstrap(person, values.replicates, values.seed)
    curve = CalibrationCurve(y, probability, draw)
    age = age_bands(x[:, names.index("age")])
    sex = np.where(x[:, names.index("male")] > 0, "male", "female")
    strata = {"age": age, "sex": sex, "age x sex": np.char.add(np.char.add(age, " "), sex)}
    judged = [
        asdict(each) for each in judge(y, probability, person, strata, cut, values, reasons=task.inputs.protected)
    ]
    found = intervals.intervals(probability, y, np.ones(len(y)), person, values.seed)
    files = {intervals.FILE: found.to_json()}
    again = fitted_again(data, scorer, refit, values, files)
    ends = {name: getattr(found, name).tolist() for name in ("probability", "lo", "hi")}
    sections = {
        "calibration_curve": curve.points(),
        "curvature": curve.curvature(),
        "decision_curve": [asdict(each) for each in decision_curve(y, probability, draw)],
        "fairness": judged,
        "leaks": [asdict(each) for each in alarms.leaks(names, x, y, patient_id=person)],
        **{name: again[name]() for name in track(tuple(again), "assessment")},
        "intervals": {**ends, **intervals.checked(found, probability, y, np.ones(len(y)))},
        "operating_point": {"probability": cut, "text": f"acted on from a probability of {cut:.4f}"},
    }
    return Crossfold(sections, group_figures(judged), files)
