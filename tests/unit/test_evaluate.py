"""Measures against scikit-learn and against cases whose answer is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from features.errors import InputError
from training import measures
from training.calibrate import affine, logistic_fits, sigmoid
from training.evaluate import EvaluationValues, figures, flat

VALUES = EvaluationValues(replicates=100, seed=1, calls_per_day=10)


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(3)
    n = 4000
    margin = rng.normal(-2.5, 1.2, n)
    y = (rng.random(n) < sigmoid(margin)).astype(float)
    return y, margin, rng.integers(0, 900, n).astype(str)


def test_ranking_measures_are_those_of_scikit_learn_with_ties_and_weights(sample):
    y, margin, _ = sample
    score = np.round(margin, 1)
    weights = np.random.default_rng(0).integers(0, 4, (3, len(y))).astype(float)
    for ours, theirs in ((measures.auroc, roc_auc_score), (measures.auprc, average_precision_score)):
        found = ours(y, score)(weights)
        for drawn, value in zip(weights, found):
            assert value == pytest.approx(theirs(y, score, sample_weight=drawn), abs=1e-12)


def test_slope_and_intercept_are_those_of_a_plain_regression(sample):
    y, margin, _ = sample
    p = sigmoid(1.7 * margin + 0.4)
    ones = np.ones((1, len(y)))
    plain = LogisticRegression(C=1e12, tol=1e-10).fit(measures.log_odds(p)[:, None], y)
    assert measures.slope(y, p)(ones)[0] == pytest.approx(plain.coef_[0, 0], abs=1e-4)
    assert measures.slope(y, p)(ones)[0] == pytest.approx(1 / 1.7, abs=0.06)
    assert measures.observed_expected(y, p)(ones)[0] == pytest.approx(y.sum() / p.sum())


def test_every_interval_holds_its_value_and_a_calibrated_risk_covers_1(sample):
    y, margin, patient = sample
    found = figures(y, sigmoid(margin), patient, {"noise": np.roll(margin, 7)}, values=VALUES)
    assert all(figure.lo <= figure.value <= figure.hi for name, figure in found.items() if name != "ici")
    assert found["slope"].covers(1) and found["oe"].covers(1) and found["intercept"].covers(0)
    assert found["ici"].value < 0.02
    assert found["gain_noise"].lo > 0.1
    assert flat(found)["test_auroc_lo"] == found["auroc"].lo


def test_an_overconfident_risk_is_seen(sample):
    y, margin, patient = sample
    found = figures(y, sigmoid(2 * margin + 1), patient, values=VALUES)
    assert found["slope"].hi < 0.7 and found["ici"].lo > 0.02


def test_rows_of_one_patient_are_drawn_together():
    y = np.tile([0.0, 1.0, 0.0, 0.0], 50)
    p = np.linspace(0.1, 0.9, 200)
    apart = figures(y, p, np.arange(200).astype(str), values=VALUES)["oe"]
    together = figures(np.repeat(y, 5), np.repeat(p, 5), np.repeat(np.arange(200), 5).astype(str), values=VALUES)["oe"]
    assert together.hi - together.lo == pytest.approx(apart.hi - apart.lo, rel=0.05)


def test_affine_calibration_puts_a_margin_right(sample):
    y, margin, _ = sample
    a, b = affine(margin * 2 - 1, y)
    assert a == pytest.approx(0.5, abs=0.05) and b == pytest.approx(0.5, abs=0.15)
    with pytest.raises(InputError, match="does not rise"):
        affine(-margin, y)
    with pytest.raises(InputError, match="one class"):
        affine(margin, np.zeros(len(y)))


def test_a_separated_fit_is_null():
    x = np.array([-2.0, -1.0, 1.0, 2.0])
    found = logistic_fits(np.column_stack([x, np.ones(4)]), (x > 0).astype(float), np.ones((1, 4)))
    assert np.isnan(found).all()


def test_figures_refuse_what_is_no_risk(sample):
    y, margin, patient = sample
    with pytest.raises(InputError, match="length"):
        figures(y, sigmoid(margin)[1:], patient, values=VALUES)
    with pytest.raises(InputError, match="outside"):
        figures(y, margin, patient, values=VALUES)
    with pytest.raises(InputError, match="one class"):
        figures(np.zeros(len(y)), sigmoid(margin), patient, values=VALUES)


def test_of_the_rows_that_tie_at_capacity_each_counts_by_its_share():
    y = np.r_[np.ones(10), np.zeros(90)]
    ones = np.ones((1, 100))
    for order in (y, y[::-1]):
        assert measures.lift(order, np.zeros(100), 0.1)(ones) == pytest.approx([1.0])
    score = np.r_[3.0, np.full(9, 2.0), np.full(9, 2.0), np.zeros(81)]
    assert measures.lift(y, score, 0.1)(ones) == pytest.approx([(1 + 9 * 0.5) / 10 / 0.1])


def test_nulls_of_a_baseline_tie_whatever_the_order_of_the_rows():
    y, score = np.r_[1.0, 1, 0, 0, 1, 0], np.r_[-np.inf, -np.inf, -np.inf, -np.inf, 1, 0]
    ones = np.ones((1, 6))
    for rows in (np.arange(6), np.arange(6)[::-1]):
        assert measures.auroc(y[rows], score[rows])(ones) == pytest.approx([(2 * (0 + 1) + 3) / 9])
        whole = average_precision_score(y, np.where(np.isinf(score), -9, score))
        assert measures.auprc(y[rows], score[rows])(ones) == pytest.approx([whole])
