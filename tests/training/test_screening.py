"""The diabetes self-test on NHANES 2017-2018: the figures of METHODS, and the artefact served."""

import json

import numpy as np
import pytest

from features.sources.nhanes import frame, manifest
from training import tracking
from training.assessment import remarks
from training.candidates import linear
from training.crossfold import crossfold
from training.evaluate import EvaluationValues
from training.gates import gates
from training.models.values import model_values
from training.proposal import propose
from training.refit import Refit
from training.rounds import Rounds
from training.run import run
from training.scorer import Scorer
from training.screening import against, fit_self_test, folded, left_out, margins, people, simpler, spec
from training.tasks import task

TASK = task("self_test_diabetes")
BESIDE = ("age", "bmi", "new_chinese_diabetes_risk_score")


def test_the_people_are_those_of_the_plan():
    given = people(frame(), TASK.inputs.core, TASK.outcome)
    assert (len(given.y), int(given.y.sum())) == (4051, 150)
    assert not {"hba1c", "told_prediabetes", "ethnicity", "hdl", "total_cholesterol"} & set(given.names)


def test_who_of_the_examined_is_left_out_is_told_step_by_step():
    table = frame()
    for asked in (TASK, task("self_test_hypertension")):
        rows = left_out(table, asked, asked.outcome).rows()
        assert rows[0]["rows_left"] == len(table) == 8366 and rows[1]["step"] == "age 20 or more"
        assert rows[0]["rows_left"] - sum(row["rows_out"] for row in rows) == rows[-1]["rows_left"]
        assert rows[-1]["rows_left"] == int(asked.outcome.asked(table).sum())
    assert rows[2]["step"] == "never told of hypertension: not in the table, nobody left out"
    assert left_out(table, TASK, TASK.outcome).rows()[2]["rows_out"] > 500
    assert [*manifest()] == ["NHANES_data_2017-2018.tsv.gz"]


@pytest.mark.slow
def test_undiagnosed_diabetes_reaches_its_figures():
    fitted = fit_self_test(TASK)
    figures = fitted.figures
    curves = {"calibration_curve", "decision_curve", "learning_curve"}
    assert {*curves, "fairness", "leaks", "shuffled", "stability", "intervals"} == set(fitted.sections) - {
        "curvature", "operating_point"
    }  # fmt: skip
    assert not fitted.sections["leaks"] and "intervals.json" in fitted.files
    assert not [each for each in fitted.sections["fairness"] if each["verdict"] == "block"]
    assert "gain_new_chinese_diabetes_risk_score" in figures or "test_gain_new_chinese_diabetes_risk_score" in figures
    assert figures["test_auroc"] >= 0.74
    assert figures["test_with_ethnicity_prediabetes_auroc"] >= 0.775
    assert figures["test_slope_lo"] <= 1 <= figures["test_slope_hi"]
    assert figures["test_oe_lo"] <= 1 <= figures["test_oe_hi"]
    assert fitted.scorer.spec.names == TASK.inputs.core
    ages = [TASK.questionnaire.vector(_answers(age))[0] for age in (30, 50, 70)]
    assert (np.diff(fitted.scorer.probability(np.array(ages))) > 0).all()


def _answers(age):
    return {
        "age": age,
        "sex": "female",
        "height_cm": 160,
        "weight_kg": 70,
        "waist_cm": 92,
        "family_diabetes": False,
        "told_diabetes": False,
    }


def test_age_weight_and_the_published_score_stand_beside_the_self_test():
    given = people(frame(), TASK.inputs.core, TASK.outcome)
    values = model_values(("models.logistic.penalties=[30]",))
    found = folded(given, margins(linear(TASK.inputs, given.names, values)), 1, 7, "test")
    values = EvaluationValues(replicates=60, seed=1, calls_per_day=20)
    told = against(given, found, values, simpler(given, TASK.inputs))
    assert {name for name in told if name.startswith("gain_")} == {f"gain_{name}" for name in BESIDE}
    assert all(0.55 < told[f"auroc_{name}"].value < 0.75 for name in ("age", "bmi"))
    ours = told["auroc_new_chinese_diabetes_risk_score"].value + told["gain_new_chinese_diabetes_risk_score"].value
    assert 0.70 < told["auroc_new_chinese_diabetes_risk_score"].value < 0.78
    assert 0.72 < ours < 0.80


def test_a_self_test_is_fitted_again_as_other_models_are_and_a_planted_leak_is_named():
    """A pulse that was noted only of those whose HbA1c, taken later, was high."""
    given = people(frame(), TASK.inputs.core, TASK.outcome)
    pulse = given.names.index("pulse")
    given.x[:, pulse] = np.where((given.y == 1) | (np.arange(len(given.y)) % 50 == 0), given.x[:, pulse], np.nan)
    values = model_values(("models.logistic.penalties=[30]",))
    fit = linear(TASK.inputs, given.names, values)
    found = folded(given, margins(fit), 1, 7, "test")
    held = found.calibrated(given.y).mean(axis=0)
    scorer = Scorer.of(
        fit(given.x, given.y, given.person),
        task=TASK.name,
        horizon_days=0,
        spec=spec(TASK.questionnaire, given.names),
        bands=(0.05, 0.1, 0.2),
        calibration=(1.0, 0.0),
    )
    rounds = Rounds.of_folds(given.x, given.y, given.person, found.fold[0])
    evaluation = EvaluationValues(replicates=60, seed=1, calls_per_day=20)
    refit = Refit.of(TASK, scorer, values, values.logged())
    asked = crossfold(TASK, rounds, scorer, refit, held, evaluation).sections
    assert [each["feature"] for each in asked["leaks"]] == ["pulse"]
    assert not asked["shuffled"]["alarm"] and asked["shuffled"]["auroc"][0] == pytest.approx(0.5, abs=0.05)
    assert [each["share"] for each in asked["learning_curve"]] == [0.125, 0.25, 0.5, 1.0]
    assert asked["learning_curve"][-1]["patients"] == round(0.8 * len(given.y))
    assert asked["stability"]["rows"] == 4000 and 0.6 < asked["stability"]["overlap"] < 1
    verdicts = {gate.name: gate.verdict for gate in gates({}, {"kind": "prevalent"}, True, asked)}
    assert verdicts["leak pulse"] == "block" and verdicts["shuffled labels"] == verdicts["stable reasons"] == "pass"
    told = remarks(asked)
    assert told[0].startswith("leak: pulse: ") and any("over 5 retrains" in line for line in told)


def test_hypertension_is_asked_of_everybody_measured():
    asked = task("self_test_hypertension")
    given = people(frame(), asked.inputs.core, asked.outcome)
    assert len(given.y) == 4982 and 0.2 < given.y.mean() < 0.3
    assert not {"systolic", "diastolic"} & set(given.names)


@pytest.mark.slow
def test_raised_blood_pressure_is_told_in_every_group_of_age_and_sex():
    fitted = fit_self_test(task("self_test_hypertension"), ("evaluation.replicates=100",))
    assert fitted.scorer.kind == "linear" and fitted.figures["test_auroc"] > 0.745
    assert fitted.figures["test_slope_lo"] <= 1 <= fitted.figures["test_slope_hi"]
    assert not [each for each in fitted.sections["fairness"] if each["verdict"] == "block"]
    assert fitted.sections["curvature"]["suffices"]


@pytest.mark.slow
def test_the_run_of_a_self_test_keeps_its_data_its_attrition_and_its_plots(store):
    made = run("self_test_diabetes", overrides=("evaluation.replicates=60",))
    kept = {
        name: json.loads(tracking.fetch(made.task, made.version, name).read_text(encoding="utf-8"))
        for name in ("data_manifest.json", "attrition.json", "evaluation.json")
    }
    assert kept["data_manifest.json"] == manifest()
    assert [row["step"] for row in kept["attrition.json"]][1:3] == ["age 20 or more", "never told of diabetes"]
    assert tracking.version(made.task, made.version).tags["lake_manifest"] == next(iter(manifest().values()))
    asked, page = kept["evaluation.json"], tracking.fetch(made.task, made.version, "report.html").read_text()
    assert not asked["shuffled"]["alarm"] and len(asked["learning_curve"]) == 4
    assert asked["shuffled"]["text"] in page and f"{asked['stability']['overlap']:.2f} · 4000 rows" in page
    assert (tracking.fetch(made.task, made.version) / "stability.json").is_file()
    for name in ("calibration", "net_benefit", "learning"):
        drawn = tracking.fetch(made.task, made.version, f"plots/{name}.svg").read_text(encoding="utf-8")
        assert drawn.startswith("<svg") and drawn in page
    verdicts = {gate.name: gate.verdict for gate in propose(made.task, made.version, "author").gates}
    assert "lake" not in verdicts and verdicts["shuffled labels"] == verdicts["stable reasons"] == "pass"
