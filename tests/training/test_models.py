"""Candidates: repeatable, monotone, without anybody's extreme; the simplest within one standard error wins."""

import os
import subprocess
import sys

import numpy as np
import pytest

from training.calibrate import affine, sigmoid
from training.measures import restricted_spline
from training.models import lightgbm, logistic
from training.models.choice import choose, out_of_fold
from training.models.clip import bounds, clipped
from training.models.values import model_values

NAMES = ("age", "noise", "rare", "constant")
VALUES = model_values(("models.lightgbm.rounds=60", "models.lightgbm.min_data_in_leaf=20"))


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    n = 3000
    x = np.column_stack([rng.normal(50, 15, n), rng.normal(size=n), rng.normal(size=n), np.ones(n)])
    x[rng.random(n) < 0.3, 2] = np.nan
    x[0, 0] = 123456.789
    margin = -2 + 0.05 * (np.clip(x[:, 0], 0, 100) - 50) + 0.8 * np.isnan(x[:, 2])
    return x, (rng.random(n) < sigmoid(margin)).astype(float), rng.integers(0, 900, n).astype(str)


def test_trees_are_the_same_to_the_byte_and_rise_where_they_must(rows):
    x, y, patient = rows
    one, two = (lightgbm.fit(x, y, patient, NAMES, {"age": "up"}, VALUES) for _ in range(2))
    assert one.booster.model_to_string() == two.booster.model_to_string()
    grid = np.column_stack([np.linspace(10, 95, 60), np.zeros(60), np.full(60, np.nan), np.ones(60)])
    assert (np.diff(one.margin(grid)) >= 0).all()
    down = lightgbm.fit(x, y, patient, NAMES, {"age": "down"}, VALUES)
    assert (np.diff(down.margin(grid)) <= 0).all()


def test_no_ones_extreme_stands_in_a_models_text(rows):
    x, y, patient = rows
    trees = lightgbm.fit(x, y, patient, NAMES, {}, VALUES)
    assert "123456" not in trees.booster.model_to_string()
    linear = logistic.fit(x, y, patient, NAMES, ("age", "noise"), VALUES)
    assert linear.terms[0].hi < 110
    lo, hi = bounds(x, (0.5, 99.5))
    assert clipped(x, lo, hi)[0, 0] == hi[0] and np.isnan(clipped(x, lo, hi)[np.isnan(x[:, 2]), 2]).all()


def test_the_logistic_candidate_knows_missing_values_and_leaves_out_what_never_varies(rows):
    x, y, patient = rows
    found = logistic.fit(x, y, patient, NAMES, NAMES, VALUES)
    assert [NAMES[term.place] for term in found.terms] == ["age", "noise", "rare"]
    flagged = {NAMES[term.place]: term.flagged for term in found.terms}
    assert flagged == {"age": False, "noise": False, "rare": True}
    asked = np.array([[50.0, 0.0, 0.0, 1.0], [50.0, 0.0, np.nan, 1.0]])
    assert np.diff(found.margin(asked))[0] > 0.3
    assert logistic.parameters(found.terms) == len(found.coefficients)
    assert found.design(x).mean(axis=0) == pytest.approx(np.zeros(len(found.coefficients)), abs=1e-9)


def test_the_penalised_fit_is_that_of_scikit_learn(rows):
    from sklearn.linear_model import LogisticRegression

    x, y, _ = rows
    columns = np.column_stack([(np.clip(x[:, 0], 0, 100) - 50) / 15, x[:, 1]])
    ours = logistic.penalised(np.column_stack([columns, np.ones(len(y))]), y, 10.0)
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000).fit(columns, y)
    assert ours == pytest.approx([*theirs.coef_[0], theirs.intercept_[0]], abs=1e-5)


def test_a_restricted_spline_is_straight_beyond_its_outer_knots():
    knots = np.array([1.0, 2.0, 4.0, 7.0])
    below, above = np.linspace(-5, 1, 9), np.linspace(7, 20, 9)
    assert restricted_spline(below, knots) == pytest.approx(np.zeros((9, 2)))
    assert np.diff(restricted_spline(above, knots), n=2, axis=0) == pytest.approx(np.zeros((7, 2)), abs=1e-9)


def test_the_simplest_within_one_standard_error_wins(rows):
    x, y, patient = rows

    def linear(x, y, patient):
        return logistic.fit(x, y, patient, NAMES, NAMES, VALUES)

    def trees(x, y, patient):
        return lightgbm.fit(x, y, patient, NAMES, {}, VALUES)

    among = {"logistic": linear, "lightgbm": trees}
    found = choose(among, x, y, patient, 3, 1)
    assert found.model.kind == "linear" and found.behind["logistic"][0] <= found.behind["logistic"][1]
    assert found.probability.mean() == pytest.approx(y.mean(), abs=0.005)
    bent = np.column_stack([x[:, 0], x[:, 1], x[:, 1], x[:, 3]])
    both = (np.sin(3 * bent[:, 1]) * np.sign(bent[:, 0] - 50) > 0.3).astype(float)
    assert choose(among, bent, both, patient, 3, 1).model.kind == "trees"


def test_an_out_of_fold_margin_never_saw_its_patient(rows):
    x, y, patient = rows
    seen = []

    class Remembers:
        kind = "linear"

        def __init__(self, patients):
            self.patients = set(patients)

        def margin(self, x):
            return np.zeros(len(x))

    def fit(x, y, patient):
        seen.append(set(patient))
        return Remembers(patient)

    out_of_fold(fit, x, y, patient, 4, 1)
    everyone = set(patient)
    assert len(seen) == 4 and set().union(*(everyone - each for each in seen)) == everyone
    assert sum(len(everyone - each) for each in seen) == len(everyone)


def test_one_and_two_threads_grow_the_same_trees(rows, monkeypatch):
    x, y, patient = rows
    weight = np.random.default_rng(5).uniform(1, 1.3, len(y))
    made, own = [], lightgbm.settings
    for threads in (1, 2, 2):
        with monkeypatch.context() as patched:
            patched.setattr(lightgbm, "settings", lambda *given, n=threads: own(*given) | {"num_threads": n})
            made.append(lightgbm.fit(x, y, patient, NAMES, {"age": "up"}, VALUES, weight))
    texts = [each.booster.model_to_string().split("\nparameters:")[0] for each in made]
    assert texts[0] == texts[1] == texts[2] and texts[0].count("Tree=") > 5


FITTED = """
import numpy as np
from training.models import logistic
from training.models.choice import choose
from training.models.values import model_values

rng = np.random.default_rng(2)
x = rng.normal(size=(20_000, 24))
y = (rng.random(20_000) < 1 / (1 + np.exp(-x[:, :5].sum(axis=1)))).astype(float)
names, values = tuple(f"x{place}" for place in range(24)), model_values()


def fit(x, y, patient, weight=None):
    return logistic.fit(x, y, patient, names, names, values, (), weight)


found = choose({"logistic": fit}, x, y, np.arange(20_000).astype(str), 3, 1)
print(repr(found.calibration), found.model.coefficients.tobytes().hex(), repr(found.model.intercept))
"""


def test_one_and_two_threads_of_linear_algebra_fit_the_same_regression(project):
    told = []
    for threads in ("1", "2"):
        given = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        ran = subprocess.run([sys.executable, "-c", FITTED], env=given, cwd=project, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        told.append(ran.stdout)
    assert told[0] == told[1]


def test_a_whole_fit_is_the_same_to_the_byte(rows):
    """Out-of-fold choice, calibration and model."""
    x, y, patient = rows
    weight = np.random.default_rng(5).uniform(1, 1.3, len(y))

    def linear(x, y, patient, weight):
        return logistic.fit(x, y, patient, NAMES, NAMES, VALUES, (), weight)

    def trees(x, y, patient, weight):
        return lightgbm.fit(x, y, patient, NAMES, {}, VALUES, weight)

    among = {"logistic": linear, "lightgbm": trees}
    one, two = (choose(among, x, y, patient, 3, 1, weight) for _ in range(2))
    assert one.calibration == two.calibration and one.text == two.text
    assert (one.probability == two.probability).all()
    assert (one.model.margin(x) == two.model.margin(x)).all()


def test_a_weight_of_two_is_a_row_twice(rows):
    x, y, _ = rows
    twice = np.r_[np.arange(len(y)), np.arange(0, len(y), 3)]
    weight = np.ones(len(y))
    weight[::3] = 2
    design = np.column_stack([np.clip(x[:, 0], 0, 100) / 50, x[:, 1], np.ones(len(y))])
    weighed = logistic.penalised(design, y, 10.0, weight=weight)
    assert weighed == pytest.approx(logistic.penalised(design[twice], y[twice], 10.0), abs=1e-9)
    margin = design @ weighed
    assert affine(margin, y, weight) == pytest.approx(affine(margin[twice], y[twice]), abs=1e-6)
