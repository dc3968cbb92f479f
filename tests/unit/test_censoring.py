"""Weights for those lost to follow-up, and the observed risk where death competes."""

import numpy as np
import pytest

from training.censoring import Ended, observed_risk, weights
from training.stays import Stays

FOLLOWED, EVENT, DEATH, LOST = Ended.FOLLOWED, Ended.EVENT, Ended.DEATH, Ended.LOST


def test_weights_by_hand():
    """Ten landmarks, horizon 10: lost at 2 (one of ten), and at 6 (one of six)."""
    days = np.array([1, 2, 3, 4, 5, 6, 10, 10, 10, 10.0])
    ended = np.array([EVENT, LOST, DEATH, EVENT, EVENT, LOST, FOLLOWED, FOLLOWED, FOLLOWED, FOLLOWED])
    found = weights(days, ended, 0.1)
    after_two, after_six = 1 - 1 / 9, (1 - 1 / 9) * (1 - 1 / 5)
    assert found.weight == pytest.approx([1, 0, 1 / after_two, 1 / after_two, 1 / after_two, 0, *[1 / after_six] * 4])
    assert found.weight.sum() == pytest.approx(10)
    assert found.clipped == 0 and found.lost == 0.2 and found.followed == pytest.approx(after_six)


def test_an_event_at_the_instant_of_a_loss_comes_first():
    found = weights(np.array([5.0, 5.0, 10.0]), np.array([EVENT, LOST, FOLLOWED]), 0.1)
    assert found.weight == pytest.approx([1, 0, 2])


def test_who_is_followed_to_the_horizon_is_at_risk_of_a_loss_there():
    """A date without a time of day falls on the horizon itself: one lost there must not empty the risk set."""
    days = np.r_[np.full(300, 5.0), np.full(700, 10.0)]
    ended = np.r_[np.full(300, EVENT), LOST, np.full(699, FOLLOWED)]
    found = weights(days, ended, 0.1)
    assert found.weight[-1] == pytest.approx(700 / 699) and found.clipped == 0
    assert found.weight.sum() == pytest.approx(1000)


@pytest.mark.parametrize("seed", range(20))
def test_the_weighted_risk_is_aalen_and_johansens_whatever_the_ties(seed):
    rng = np.random.default_rng(seed)
    ended = rng.choice([FOLLOWED, EVENT, DEATH, LOST], 200, p=[0.4, 0.3, 0.1, 0.2])
    days = np.where(ended == FOLLOWED, 6.0, rng.integers(1, 7, 200))
    found = weights(days, ended, 1e-6).weight
    assert found.sum() == pytest.approx(200)
    risk = observed_risk(days, ended)(np.ones((1, 200)))[0]
    assert found @ (ended == EVENT) / 200 == pytest.approx(risk)


def test_nobody_lost_weighs_one_and_much_lost_is_truncated_and_counted():
    days = np.array([3.0, 10, 10])
    assert weights(days, np.array([EVENT, FOLLOWED, FOLLOWED]), 0.1).weight.tolist() == [1, 1, 1]
    days = np.r_[np.arange(1.0, 20), 30]
    ended = np.r_[np.full(19, LOST), FOLLOWED]
    found = weights(days, ended, 0.1)
    assert found.weight[-1] == pytest.approx(10) and found.clipped == 1.0


def test_observed_risk_is_the_share_where_nobody_is_lost_and_death_competes():
    days = np.array([1, 2, 3, 10, 10.0])
    ended = np.array([EVENT, DEATH, EVENT, FOLLOWED, FOLLOWED])
    assert observed_risk(days, ended)(np.ones((1, 5))) == pytest.approx([0.4])
    twice = observed_risk(days, ended)(np.array([[2, 1, 1, 1, 1.0]]))
    assert twice == pytest.approx([0.5])


def test_observed_risk_against_the_textbook_product():
    """Aalen-Johansen by hand: sum over events of S(t-) d/n."""
    days = np.array([1, 2, 2, 3, 4, 5, 6, 6.0])
    ended = np.array([EVENT, LOST, DEATH, EVENT, LOST, EVENT, FOLLOWED, FOLLOWED])
    expected = 1 / 8 + (7 / 8) * (6 / 7) * (1 / 5) + (7 / 8) * (6 / 7) * (4 / 5) * (1 / 3)
    assert observed_risk(days, ended)(np.ones((1, 8))) == pytest.approx([expected])


def _drawn(rng, n, horizon, hazard, death, loss):
    """Exponential times of event, death and loss; the truth is the risk of the event without any loss."""
    event, dies, lost = (rng.exponential(1 / rate, n) for rate in (hazard, death, loss))
    first = np.minimum(np.minimum(event, dies), np.minimum(lost, horizon))
    ended = np.select([first == event, first == dies, first == lost], [EVENT, DEATH, LOST], FOLLOWED)
    true = ((event <= horizon) & (event < dies)).mean()
    return first, ended, (ended == EVENT).astype(float), true


@pytest.mark.parametrize("loss", [0.0005, 0.002])
def test_weighting_beats_dropping_the_lost_in_the_bias_of_the_mean_risk(loss):
    """Known truth: dropping keeps early events and loses long survivors; weighting does not.

    The bounds are three standard errors of the mean over the seeds, which is small itself.
    """
    weighted, dropped, aalen = [], [], []
    for seed in range(40):
        days, ended, y, true = _drawn(np.random.default_rng(seed), 4000, 365.0, 0.0008, 0.0002, loss)
        w = weights(days, ended, 0.1).weight
        weighted.append((w @ y) / w.sum() - true)
        dropped.append(y[ended != LOST].mean() - true)
        aalen.append(observed_risk(days, ended)(np.ones((1, len(days))))[0] - true)
    error = np.std(weighted, ddof=1) / np.sqrt(len(weighted))
    assert error < 0.001
    assert abs(np.mean(weighted)) < 3 * error and abs(np.mean(aalen)) < 3 * error
    assert np.mean(dropped) > 15 * error and np.mean(dropped) > 0.015


def test_stays_are_counted_once_where_they_overlap():
    rng = np.random.default_rng(3)
    place = rng.integers(0, 4, 40)
    start = rng.integers(0, 10_000_000, 40)
    end = start + rng.integers(1, 2_000_000, 40)
    stays = Stays(place, start, end)
    who, when = rng.integers(0, 5, 200), rng.integers(-1000, 13_000_000, 200)
    found = stays.until(who, when)
    grid = np.arange(0, 13_000_000, 1000)
    for patient, moment, answer in zip(who, when, found):
        mine = place == patient
        inside = ((grid[:, None] >= start[mine]) & (grid[:, None] < end[mine])).any(axis=1) & (grid < moment)
        assert abs(answer - inside.sum() * 1000) <= 30_000
