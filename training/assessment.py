"""Everything that is asked of a fitted model before anybody should trust it, as plain JSON values by section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from features.instants import wall_clock
from features.params import general, section
from features.progress import track
from training import alarms, intervals, stability
from training.benefit import CalibrationCurve, decision_curve
from training.evaluate import Bootstrap, EvaluationValues, capacity
from training.fairness import judge
from training.fitted import Fitted
from training.labelled import Labelled
from training.learning import learning_curve, without_tested
from training.models.values import model_values
from training.months import label_shift
from training.refit import Refit
from training.rounds import Rounds
from training.scorer import Scorer
from training.strata import UNLIKE, strata

if TYPE_CHECKING:
    from features.lake import Lake


@dataclass(frozen=True)
class Assessment:
    """What was found.

    Parameters
    ----------
    sections
        calibration_curve, decision_curve, curvature, fairness, leaks, shuffled, stability,
        learning_curve, tested, intervals, months: for the report, the card and the gates.
    figures
        ``test_auroc_<group>`` of every group that is large enough, for MLflow.
    files
        For the artefact: the stability table and the intervals.
    """

    sections: Mapping[str, Any]
    figures: Mapping[str, float]
    files: Mapping[str, str]


def assess(data: Labelled, fitted: Fitted, lake: Lake, overrides: tuple[str, ...] = ()) -> Assessment:
    """Judge a fitted model on the test part of the data that it was fitted on.

    Parameters
    ----------
    data
        The task's labelled landmarks.
    fitted
        Their model.
    lake
        Where groups of people are read from.
    """
    values = section("evaluation", EvaluationValues, overrides)
    models = model_values(overrides)
    scorer = fitted.scorer
    refit = Refit.of(data.task, scorer, models, fitted.parameters)
    test = data.parts.rows("test")
    y, patient, weight = data.y[test], data.patient_id[test], data.weight[test]
    probability = scorer.probability(data.x[test])
    draw = Bootstrap(patient, values.replicates, values.seed, weight)
    curve = CalibrationCurve(y, probability, draw)
    groups = strata(lake, patient, data.at[test])
    cut = operating_point(data, fitted, probability, values)
    disease = data.task.kind == "incident"
    files: dict[str, str] = {}

    def venn_abers() -> dict[str, Any] | None:
        if fitted.held is None:
            return None
        train = data.parts.rows("train")
        found = intervals.intervals(*fitted.held, data.weight[train], data.patient_id[train], values.seed)
        files[intervals.FILE] = found.to_json()
        told = {name: getattr(found, name).tolist() for name in ("probability", "lo", "hi")}
        return {**told, **intervals.checked(found, probability, y, weight)}

    asked: dict[str, Callable[[], Any]] = {
        "calibration_curve": curve.points,
        "curvature": curve.curvature,
        "decision_curve": lambda: [asdict(each) for each in decision_curve(y, probability, draw)],
        "fairness": lambda: [
            asdict(each) for each in judge(y, probability, patient, groups, cut, values, weight, disease, UNLIKE)
        ],
        "leaks": lambda: [asdict(each) for each in alarms.leaks(data.spec.names, *_known(data))],
        **fitted_again(data.rounds, scorer, refit, values, files),
        "tested": lambda: without_tested(data, refit, values),
        "intervals": venn_abers,
        "months": lambda: months(data, fitted, probability),
    }
    sections: dict[str, Any] = {name: asked[name]() for name in track(tuple(asked), "assessment")}
    sections["operating_point"] = {"probability": cut, "text": f"acted on from a probability of {cut:.4f}"}
    return Assessment(sections, group_figures(sections["fairness"]), files)


def fitted_again(
    data: Rounds, scorer: Scorer, refit: Refit, values: EvaluationValues, files: dict[str, str]
) -> dict[str, Callable[[], Any]]:
    """Return what is asked of the model fitted again (to other labels, other patients, fewer of them), by section.

    The table of stability is put into ``files``.
    """

    def reasons() -> dict[str, Any]:
        found = stability.stability(data, scorer, refit, values.seed)
        files[stability.FILE] = found.to_json()
        return {"overlap": found.overlap, "rows": found.rows, "shares": dict(found.shares)}

    return {
        "shuffled": lambda: alarms.shuffled(data, refit, values.seed),
        "stability": reasons,
        "learning_curve": lambda: learning_curve(data, refit, values),
    }


def remarks(trust: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a person should read on the terminal of the sections that a kind of task has."""
    told = [f"leak: {each['feature']}: {each['text']}" for each in trust.get("leaks", ())]
    if trust.get("shuffled", {}).get("alarm"):
        told.append(f"leak: {trust['shuffled']['text']}")
    judged = [each for each in trust.get("fairness", ()) if each["verdict"] in ("warn", "block")]
    told += [f"{each['verdict']}: {each['axis']} {each['group']}: {'; '.join(each['why'])}" for each in judged]
    odd = [each for each in trust.get("months", ()) if each["alarm"]]
    told += [f"labels of {each['month']} disagree with the other months" for each in odd]
    if "stability" in trust:
        told.append(f"reasons: mean overlap {trust['stability']['overlap']:.2f} over {stability.RETRAINS} retrains")
    return (*told, *(trust[name]["text"] for name in ("tested", "curvature") if name in trust))


def months(data: Labelled, fitted: Fitted, probability: np.ndarray) -> list[dict[str, Any]]:
    """Return the label-shift test of every month of landmarks, by probabilities that never saw the patient."""
    test, train = data.parts.rows("test"), data.parts.rows("train")
    rows = np.flatnonzero(test)
    if fitted.held is not None:
        rows = np.r_[np.flatnonzero(train), rows]
        probability = np.r_[fitted.held[0], probability]
    month = wall_clock(data.at[rows], general().zone).astype("datetime64[M]").astype(str)
    return label_shift(data.y[rows], probability, data.patient_id[rows], month, data.weight[rows])


def operating_point(data: Labelled, fitted: Fitted, probability: np.ndarray, values: EvaluationValues) -> float:
    """Return the probability from which a row is acted on: the calls of a month for churn, else the band ``high``."""
    if data.task.kind == "churn":
        return float(np.quantile(probability, 1 - capacity(data.eligible, values)))
    return fitted.scorer.bands[1]


def _known(data: Labelled) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return values, outcomes, weights and patients of every row that was followed, of both parts."""
    known = data.weight > 0
    return data.x[known], data.y[known], data.weight[known], data.patient_id[known]


def group_figures(judged: list[dict[str, Any]]) -> dict[str, float]:
    """Return ``test_auroc_<axis>_<group>`` with its ends; MLflow's names take letters, digits and ``_-. /``."""
    found = {}
    for each in judged:
        auroc = each["figures"].get("auroc")
        if auroc is None:
            continue
        group = "".join(c if c.isalnum() or c in "-." else "_" for c in f"{each['axis']}_{each['group']}")
        group = group.replace("75+", "75_up")
        for end, value in (("", auroc["value"]), ("_lo", auroc["lo"]), ("_hi", auroc["hi"])):
            found[f"test_auroc_{group}{end}"] = value
    return found
