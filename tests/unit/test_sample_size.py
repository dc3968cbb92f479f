"""Riley's criteria on numbers worked by hand."""

import math

import pytest

from features.errors import InputError
from training.sample_size import sample_size


def test_the_intercept_criterion_at_a_risk_of_one_half():
    assert sample_size(385, 192, 1).needed_intercept == math.ceil(1536.64 * 0.5 * 0.5 - 1e-2)


def test_the_shrinkage_criterion_at_a_risk_of_a_tenth():
    # R2 max = 1 - exp(2 (.1 ln .1 + .9 ln .9)) = .478; R2 = .0717; n = 20 / (.1 x -ln(1 - .0717 / .9)) = 2,410
    found = sample_size(1000, 100, 20)
    assert found.needed_shrinkage == pytest.approx(2410, abs=3)
    assert found.verdict == "exploratory"
    assert f"missing {found.needed_shrinkage - 1000} more patients" in found.text


def test_below_fifty_events_is_refused_with_the_number_missing():
    found = sample_size(1500, 15, 12)
    assert found.verdict == "refused" and "35 more events (at least 50)" in found.text


def test_enough_is_enough():
    assert sample_size(20_000, 2_000, 20).verdict == "sufficient"
    with pytest.raises(InputError, match="nobody"):
        sample_size(0, 0, 3)


def test_the_patients_learnt_from_are_judged_and_everybody_is_told_beside_them():
    found = sample_size(1500, 49, 1, (2000, 65))
    assert found.verdict == "refused"
    assert found.text.startswith("1500 patients with 49 events to learn from (of 2000 with 65 in all): missing 1 more")
