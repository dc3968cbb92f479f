"""BG/NBD: simulated people with known parameters, and the paper's on the CDNOW sample."""

import numpy as np
import pytest

from features.errors import InputError
from training.models.bgnbd import BgNbd, fit


def _people(true, n, age, rng):
    """Draw (repeat visits, recency, active at the end) of people watched for ``age``."""
    rate, leave = rng.gamma(true.r, 1 / true.alpha, n), rng.beta(true.a, true.b, n)
    x, recency, active = np.zeros(n), np.zeros(n), np.ones(n, dtype=bool)
    now, alive = np.zeros(n), np.ones(n, dtype=bool)
    while alive.any():
        now = np.where(alive, now + rng.exponential(1 / rate), now)
        came = alive & (now <= age)
        x, recency = x + came, np.where(came, now, recency)
        stays = rng.random(n) >= leave
        active &= ~(came & ~stays)
        alive = came & stays
    return x, recency, active


def test_known_parameters_come_back_and_the_probability_is_calibrated():
    true = BgNbd(0.8, 6.0, 0.9, 2.5)
    x, recency, active = _people(true, 8000, 40.0, np.random.default_rng(1))
    age = np.full(8000, 40.0)
    found = fit(x, recency, age)
    assert found.r / found.alpha == pytest.approx(true.r / true.alpha, rel=0.1)
    assert found.a / (found.a + found.b) == pytest.approx(true.a / (true.a + true.b), rel=0.1)
    belief = found.active(x, recency, age)
    for low, high in ((0, 0.3), (0.3, 0.7), (0.7, 1.01)):
        chosen = (belief >= low) & (belief < high) & (x > 0)
        assert active[chosen].mean() == pytest.approx(belief[chosen].mean(), abs=0.05)


def test_returns_falls_with_silence_and_rises_with_time_ahead():
    model = BgNbd(0.243, 4.414, 0.793, 2.426)
    x, age = np.array([2.0, 2.0]), np.array([39.0, 39.0])
    silent, lately = model.returns(x, np.array([5.0, 38.0]), age, 39.0)
    assert silent < lately
    assert (model.returns(x, np.array([5.0, 38.0]), age, 78.0) > [silent, lately]).all()
    assert model.active(np.zeros(1), np.zeros(1), np.ones(1)) == 1


def test_a_last_visit_after_now_is_refused():
    with pytest.raises(InputError, match="after now"):
        fit(np.array([1.0]), np.array([5.0]), np.array([4.0]))


@pytest.mark.data
def test_the_papers_parameters_on_the_cdnow_sample(public_data):
    """Fader, Hardie and Lee 2005, table 2: r .243, alpha 4.414, a .793, b 2.426."""
    from training.public.cdnow import people

    x, recency, age = people(public_data / "cdnow" / "CDNOW_sample.txt.gz")
    found = fit(x, recency, age)
    assert len(x) == 2357
    assert (found.r, found.alpha, found.a, found.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=0.0006)
