"""A list made again from its record: the same to the last bit, whether or not its last slot was drawn."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.toys import NOW, catalogue, readership, recommender
from training.affinity.recalled import Recalled
from training.affinity.recommender import Listed, Recommender
from training.affinity.safety import Reader

ADULT = Reader(50.0, frozenset({"diabetes"}))


@pytest.fixture(scope="module")
def made() -> Recommender:
    return recommender(readership(catalogue(200), 300, 3000))


def _kept(listed: Listed, seed: int) -> Recalled:
    ids = tuple(item.content_id for item in listed.items)
    return Recalled(
        ids,
        listed.rows,
        listed.mean,
        listed.eligible,
        listed.sampled,
        listed.propensity,
        listed.slot,
        listed.explored,
        seed,
    )


@pytest.mark.parametrize("k", [1, 10])
def test_a_list_is_made_again_to_the_last_bit(made: Recommender, k: int) -> None:
    display = made.display(catalogue(200), NOW)
    person = display.person([(display.items[3].content_id, NOW - 10**9)], NOW, ADULT.age, ADULT.conditions)
    explored = 0
    for seed in range(80):
        listed = made.recommend(display, person, ADULT, NOW, k, seed)
        again = _kept(listed, seed).listed(made, display, display.gate.verdict(ADULT, NOW))
        for name in ("items", "eligible", "sampled", "groups", "slot", "explored", "withheld"):
            assert getattr(again, name) == getattr(listed, name)
        for name in ("affinity", "score", "relative", "mean", "rows", "propensity"):
            np.testing.assert_array_equal(getattr(again, name), getattr(listed, name), strict=True)
        explored += listed.explored
    assert 0 < explored < 80


def test_another_draw_than_the_recorded_one_shows(made: Recommender) -> None:
    display = made.display(catalogue(200), NOW)
    person = display.person([], NOW, ADULT.age, ADULT.conditions)
    seed = next(
        each for each in range(200) if made.recommend(display, person, ADULT, NOW, 5, each, explain=False).explored
    )
    listed = made.recommend(display, person, ADULT, NOW, 5, seed)
    again = _kept(listed, seed + 1).listed(made, display, display.gate.verdict(ADULT, NOW))
    assert (again.items, again.sampled) != (listed.items, listed.sampled)
