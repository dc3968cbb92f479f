"""Touches, popularity, similarity, safety and the rolling walk, on worlds small enough to check by eye."""

import numpy as np
import pytest

from features.instants import DAY
from training.affinity.item import Item
from training.affinity.ranking import Topics
from training.affinity.rolling import ndcg, recall, user_days
from training.affinity.safety import Reader, excluded, for_everyone, safe
from training.affinity.similarity import similarity
from training.affinity.touches import Touches, popularity
from training.affinity.values import affinity_values

HOUR = DAY // 24
NOW = 1000 * DAY
GOOD = Item(
    "a",
    "控糖饮食的十个要点",
    frozenset({"diabetes"}),
    published_at=NOW - 5 * DAY,
    expires_at=NOW + DAY,
    reviewers=frozenset({"d1", "d2", "d3"}),
    sensitive=False,
)
ADULT = Reader(45.0, frozenset({"diabetes"}))


def _with(**changes):
    from dataclasses import replace

    return replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("item", "reader", "reason"),
    [
        (GOOD, ADULT, None),
        (_with(published_at=None), ADULT, "not_published"),
        (_with(published_at=NOW + 1), ADULT, "not_published"),
        (_with(reviewers=frozenset({"d1", "d2"})), ADULT, "not_reviewed"),
        (_with(expires_at=NOW), ADULT, "expired"),
        (_with(expires_at=None), ADULT, "expired"),
        (_with(title="治愈率超过九成"), ADULT, "wording"),
        (_with(title="最好的降压药"), ADULT, "wording"),
        (_with(title="最近天气转凉，第一步做什么"), ADULT, None),
        (_with(min_age=50.0), ADULT, "age"),
        (_with(min_age=18.0), Reader(None), "age"),
        (_with(contraindications=frozenset({"diabetes"})), ADULT, "contraindicated"),
        (_with(contraindications=frozenset({"pregnancy"})), ADULT, None),
        (_with(sensitive=True), ADULT, "sensitive"),
        (_with(sensitive=None), ADULT, "sensitive"),
        (_with(sensitive=True), Reader(45.0, sensitive_consent=True), None),
    ],
)
def test_safety_is_closed_on_doubt_and_says_why(item, reader, reason):
    assert excluded(item, reader, NOW) == reason


def test_the_list_for_everyone_needs_no_patient():
    older = _with(content_id="b", published_at=NOW - 9 * DAY)
    listed = for_everyone([older, GOOD, _with(content_id="c", min_age=3.0), _with(content_id="d", sensitive=True)], NOW)
    assert [item.content_id for item in listed] == ["a", "b"]
    kept, reasons = safe([older, _with(content_id="c", min_age=90.0)], ADULT, NOW)
    assert [item.content_id for item in kept] == ["b"] and reasons == {"c": "age"}


@pytest.fixture(scope="module")
def touches():
    rows = [
        ("u1", "a", 0),
        ("u2", "a", 1),
        ("u1", "b", 2),
        ("u2", "b", 26),
        ("u3", "c", 27),
        ("u1", "a", 28),
        ("u3", "a", 49),
    ]
    user, item, hour = (np.array(column) for column in zip(*rows))
    return Touches.of(user, item, hour.astype(np.int64) * HOUR, {})


def test_popularity_halves_and_never_sees_its_own_instant(touches):
    found = popularity(touches, 26 * HOUR, 24.0)
    expected = {"a": 0.5 ** (26 / 24) + 0.5 ** (25 / 24), "b": 0.5 ** (24 / 24), "c": 0.0}
    assert dict(zip(touches.items, found)) == pytest.approx(expected)


def test_similarity_counts_users_in_common(touches):
    found = similarity(touches, 27 * HOUR, neighbours=5, shrinkage=0.0)
    places = {name: number for number, name in enumerate(touches.items)}
    scores = found.scores(np.array([places["a"]]), 3)
    assert scores[places["b"]] == pytest.approx(1.0) and scores[places["a"]] == 0.0 and scores[places["c"]] == 0.0


def test_a_day_holds_first_touches_of_items_that_were_there(touches):
    days = touches.user_days(24 * HOUR, 2)
    names = [{str(touches.users[u]): list(touches.items[i]) for u, i in day.items()} for _, day in days]
    assert names == [{"u2": ["b"]}, {"u3": ["a"]}]


def test_the_walk_offers_what_is_new_to_the_user_and_uses_the_past_alone(touches):
    topics = Topics.of([frozenset({"diabetes"}), frozenset({"low_salt"}), frozenset()], {"low_salt": "hypertension"})
    everything = np.arange(3)
    found = list(
        user_days(
            touches,
            topics,
            lambda patient, at: frozenset({"hypertension"}),
            lambda user, at: everything,
            24 * HOUR,
            2,
            24.0,
            affinity_values(),
            baselines=True,
        )
    )
    first, second = found
    assert list(touches.items[first.candidates]) == ["b"] and first.opened.tolist() == [True]
    assert list(touches.items[second.candidates]) == ["a", "b"] and second.opened.tolist() == [True, False]
    columns = dict(zip(("recent", "week", "age", "peers", "topic", "clinical"), first.rows[0]))
    assert columns["age"] == pytest.approx(np.log1p(22 / 24))
    assert columns["clinical"] == 1.0 and columns["topic"] == 0.0
    assert second.scores["newest"][1] > second.scores["newest"][0]


def test_ranking_measures_on_a_list_worked_by_hand():
    opened, score = np.array([True, False, True, False]), np.array([4.0, 3.0, 2.0, 1.0])
    assert ndcg(opened, score) == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3)))
    assert recall(opened, score, k=1) == 0.5
