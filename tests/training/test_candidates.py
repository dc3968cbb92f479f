"""A task's candidates: a published score among them, chosen where it is as good, explained and fitted again."""

from dataclasses import replace

import numpy as np
import pytest

from features.vector import Feature, VectorSpec
from training import tracking
from training.assessment import assess
from training.calibrate import sigmoid
from training.candidates import candidates
from training.labelled import labelled
from training.landmarked import fit
from training.models.choice import choose
from training.models.published import over_catalogue
from training.models.values import model_values
from training.points import Points
from training.refit import Refit
from training.run import record
from training.scorer import Scorer
from training.task import Inputs
from training.tasks import task

VALUES = model_values(("models.lightgbm.rounds=40", "models.lightgbm.min_data_in_leaf=20"))
(SCORE,) = over_catalogue(("framingham_2008_office",))
NAMES = (*SCORE.needs, "pulse")
INPUTS = Inputs((), NAMES, crosses=(("age_years", "bmi"), ("age_years", "not_in_the_vector")), scores=(SCORE.name,))


@pytest.fixture(scope="module")
def rows():
    """4,000 landmarks of 1,300 people whose log-odds are the published points, some pressures not known."""
    rng = np.random.default_rng(4)
    n = 4000
    drawn = {
        "sex_male": rng.integers(0, 2, n),
        "age_years": rng.uniform(30, 74, n),
        "bmi": rng.normal(25, 4, n),
        "systolic_mean_12m": rng.normal(130, 18, n),
        "antihypertensives_365d": rng.integers(0, 2, n),
        "smokes_now": rng.integers(0, 2, n),
        "diagnosis_diabetes": rng.random(n) < 0.1,
        "pulse": rng.normal(70, 9, n),
    }
    x = np.stack([np.asarray(drawn[name], dtype=float) for name in NAMES], axis=1)
    y = (rng.random(n) < sigmoid(SCORE.points(dict(zip(NAMES, x.T))))).astype(float)
    x[rng.random(n) < 0.03, NAMES.index("systolic_mean_12m")] = np.nan
    return x, y, rng.integers(0, 1300, n).astype(str)


def test_interactions_and_scores_of_absent_features_are_left_out(rows):
    x, _, _ = rows
    assert INPUTS.there(NAMES) == (NAMES, (("age_years", "bmi"),))
    assert tuple(candidates(INPUTS, NAMES, VALUES, x)) == (SCORE.name, "logistic", "lightgbm")
    assert tuple(candidates(INPUTS, NAMES[1:], VALUES, x[:, 1:])) == ("logistic", "lightgbm")
    rarely = x.copy()
    rarely[100:, NAMES.index("bmi")] = np.nan
    assert tuple(candidates(INPUTS, NAMES, VALUES, rarely)) == ("logistic", "lightgbm")


def test_the_published_score_wins_where_nothing_is_better(rows):
    x, y, patient = rows
    found = choose(candidates(INPUTS, NAMES, VALUES, x), x, y, patient, 3, 1, np.ones(len(y)))
    assert found.name == SCORE.name and found.model.kind == "points"
    worse, error = found.behind[SCORE.name]
    assert worse <= error and f"points ({SCORE.name})" in found.text
    assert sigmoid(found.calibration[0] * found.model.margin(x) + found.calibration[1]).mean() == pytest.approx(
        y.mean(), abs=0.01
    )
    spec = VectorSpec(
        tuple(Feature(name, name, name, "", name, None, ("care_followup",), False, False, {}) for name in NAMES)
    )
    named = {"task": "stroke_12m", "horizon_days": 365, "spec": spec, "bands": (0.1, 0.2, 0.3)}
    scorer = Scorer.of(found.model, **named, calibration=found.calibration)
    told = scorer.explain(x[:200])
    assert np.abs(told.base + told.contributions.sum(axis=1) - told.margin).max() <= 1e-9
    assert not told.contributions[:, NAMES.index("pulse")].any()
    pressure, male, margin = x[:, NAMES.index("systolic_mean_12m")], x[:, 0] > 0, found.model.margin(x)
    assert not scorer.explain(x[np.isnan(pressure)]).contributions[:, NAMES.index("systolic_mean_12m")].any()
    for sex in (male, ~male):  # a value that is not known moves no score, though the table parts the sexes
        assert margin[sex & np.isnan(pressure)].mean() == pytest.approx(margin[sex].mean(), abs=0.3)
    assert margin.mean() == pytest.approx(found.model.base)
    parameters = {f"lightgbm.{name}": value for name, value in VALUES.lightgbm.model_dump().items()}
    again = Refit.of(task("stroke_12m"), scorer, VALUES, parameters)(x[:2000], y[:2000], patient[:2000], np.ones(2000))
    assert again.kind == "points" and again.score == SCORE and again.means != found.model.means


def test_a_score_that_misses_what_matters_loses(rows):
    x, _, patient = rows
    y = (np.random.default_rng(5).random(len(x)) < sigmoid((x[:, NAMES.index("pulse")] - 70) / 5)).astype(float)
    assert choose(candidates(INPUTS, NAMES, VALUES, x), x, y, patient, 3, 1, np.ones(len(y))).name == "logistic"


@pytest.mark.slow
def test_a_chosen_score_is_assessed_and_recorded_like_any_model(lake, store, home):
    """Landmarks of the sample hospital whose labels are dealt by the published points."""
    quick = ("models.lightgbm.rounds=30", "evaluation.replicates=60", "models.folds=3")
    data = labelled("stroke_12m", lake, quick)
    (score,) = over_catalogue(("framingham_2008_lipids",))
    margin = Points.fitted(score, data.x, data.spec.names).margin(data.x)
    rng = np.random.default_rng(8)
    data = replace(data, y=(rng.random(len(margin)) < sigmoid(2 * (margin - margin.mean()) - 1)).astype(float))
    fitted = fit(data, quick)
    assert fitted.scorer.kind == "points" and "framingham_2008_lipids" in fitted.model["choice"]
    assert "test_gain_framingham_2008_lipids" not in fitted.figures and "test_gain_age" in fitted.figures
    asked = assess(data, fitted, lake, quick)
    assert asked.sections["stability"]["overlap"] > 0.9 and not asked.sections["shuffled"]["alarm"]
    made = record(fitted, tracking.Source("sample", lake.digest), quick, assessment=asked)
    folder = tracking.fetch("stroke_12m", made.version)
    assert (
        Scorer.load(folder, made.digest).probability(data.x[:9]).tolist()
        == fitted.scorer.probability(data.x[:9]).tolist()
    )
