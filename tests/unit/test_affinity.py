"""Touches, stage, columns, safety, arranging and the rolling walk, on worlds small enough to check by eye."""

import numpy as np
import pytest

from features.instants import DAY
from training.affinity import similarity
from training.affinity.arrange import explore, spread
from training.affinity.catalogue import Catalogue, tfidf
from training.affinity.columns import Sight, names, rows
from training.affinity.item import Item
from training.affinity.judged import ndcg, recall
from training.affinity.practice import folded
from training.affinity.readers import Readership
from training.affinity.safety import REASONS, Gate, Reader, excluded, for_everyone, safe
from training.affinity.touches import Touches, popularity
from training.affinity.values import affinity_values
from training.affinity.walk import Window, user_day
from training.followup import NEVER

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


SNOMED = Reader(45.0, frozenset({"diabetes", "44054006"}))


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
        (_with(title=" "), ADULT, "wording"),
        (_with(min_age=float("nan")), ADULT, "age"),
        (_with(contraindications=frozenset({"I10"})), Reader(45.0, frozenset({"I10.x02"})), "contraindicated"),
        (_with(contraindications=frozenset({"N18"})), ADULT, None),
        (_with(contraindications=frozenset({"nobody can tell"})), ADULT, "contraindicated"),
        (_with(title="最近天气转凉"), ADULT, "wording"),
        (_with(title="治 愈\u200b率 90%"), ADULT, "wording"),
        (_with(title="治癒率"), ADULT, "wording"),
        (_with(title="效果第１"), ADULT, "wording"),
        (_with(title="第10期：血糖记录"), ADULT, None),
        (_with(reviewers=frozenset({"d1", "d2", " "})), ADULT, "not_reviewed"),
        (_with(reviewers=frozenset({"d1", "d2", "D2 "})), ADULT, "not_reviewed"),
        (_with(contraindications=frozenset({"2型糖尿病"})), ADULT, "contraindicated"),
        (_with(contraindications=frozenset({"75+"})), ADULT, "contraindicated"),
        (_with(contraindications=frozenset({"egfr"})), ADULT, "contraindicated"),
        (_with(contraindications=frozenset({"E10-E14"})), Reader(45.0, frozenset({"E11.900x001"})), "contraindicated"),
        (_with(contraindications=frozenset({"E10-14"})), Reader(45.0, frozenset({"E12.1"})), "contraindicated"),
        (_with(contraindications=frozenset({"E10-E14"})), Reader(45.0, frozenset({"E15", "E78.5"})), None),
        (
            _with(contraindications=frozenset({"E11"})),
            Reader(45.0, frozenset({"diabetes", "44054006"})),
            "contraindicated",
        ),
        (_with(contraindications=frozenset({"E11"})), Reader(45.0, frozenset({"diabetes", "E10.9"})), None),
        (_with(topics=frozenset({"hiv"})), ADULT, "sensitive"),
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
    listed = for_everyone(
        [older, GOOD, _with(content_id="c", min_age=3.0), _with(content_id="d", sensitive=True)], NOW, "app"
    )
    assert [item.content_id for item in listed] == ["a", "b"]
    day, hour = NOW - 3 * DAY, DAY // 24
    article, video = (
        _with(content_id=name, format=name, published_at=day + ahead)
        for name, ahead in (("article", hour), ("short_video", 0))
    )
    newer = _with(content_id="newer", format="comic", published_at=day + DAY)
    for channel, wanted in (
        ("wechat", ["newer", "article", "short_video"]),
        ("app", ["newer", "short_video", "article"]),
    ):
        listed = for_everyone([video, article, newer], NOW, channel)
        assert [item.content_id for item in listed] == wanted
    kept, reasons = safe([older, _with(content_id="c", min_age=90.0)], ADULT, NOW)
    assert [item.content_id for item in kept] == ["b"] and reasons == {"c": "age"}


@pytest.fixture(scope="module")
def touches():
    told = [
        ("u1", "a", 0),
        ("u2", "a", 1),
        ("u1", "b", 2),
        ("u2", "b", 26),
        ("u3", "c", 27),
        ("u1", "a", 28),
        ("u3", "a", 49),
    ]
    user, item, hour = (np.array(column) for column in zip(*told))
    return Touches.of(user, item, hour.astype(np.int64) * HOUR, {})


@pytest.fixture(scope="module")
def given(touches):
    said = (
        Item("a", "控糖饮食", frozenset({"diabetes"}), author="x"),
        Item("b", "low salt soup", frozenset({"low_salt"}), author="x"),
        Item("c", "", author="y"),
    )
    nobody = (np.array([0]), np.array([0]), np.array([0]))
    return Readership(touches, said, np.full(3, NEVER), ("hypertension",), nobody)


def test_popularity_halves_and_never_sees_its_own_instant(touches):
    found = popularity(touches, 26 * HOUR, 24.0)
    expected = {"a": 0.5 ** (26 / 24) + 0.5 ** (25 / 24), "b": 0.5 ** (24 / 24), "c": 0.0}
    assert dict(zip(touches.items, found)) == pytest.approx(expected)


def test_what_becomes_known_late_is_not_seen_before():
    late = Touches.of(np.array(["u"]), np.array(["a"]), np.array([0]), {}, known=np.array([5 * HOUR]))
    assert popularity(late, 4 * HOUR, 24.0).sum() == 0 < popularity(late, 6 * HOUR, 24.0).sum()
    assert late.born[0] == 5 * HOUR


def test_neighbours_count_users_in_common():
    user, item = np.array([0, 1, 0, 1, 2]), np.array([0, 0, 1, 1, 2])
    common, size = similarity.shared(user, item, 3, 3), np.array([2, 2, 1])
    found = similarity.neighbours(common, size, 5, 0.0)
    assert similarity.scores(found, np.array([0])) == pytest.approx([0.0, 1.0, 0.0])
    assert similarity.scores(found, np.empty(0, np.int64)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("rows", [4, similarity.ROWS])
def test_ease_is_the_closed_form(monkeypatch, rows):
    monkeypatch.setattr(similarity, "ROWS", rows)
    rng = np.random.default_rng(0)
    owned = (rng.random((40, 6)) < 0.4).astype(float)
    user, item = np.nonzero(owned)
    found = similarity.ease(similarity.shared(user, item, 40, 6), owned.sum(axis=0), 6, 3.0).toarray()
    inverse = np.linalg.inv(owned.T @ owned + 3.0 * np.eye(6))
    expected = -inverse / np.diag(inverse)[None, :]
    np.fill_diagonal(expected, 0)
    assert found == pytest.approx(expected, abs=1e-5)


def test_words_are_cut_for_chinese_and_english_and_later_items_do_not_speak():
    catalogue = Catalogue.of([Item("a", "控糖饮食"), Item("b", "控糖 recipes"), Item("c", "weather"), Item("d")])
    near = tfidf(catalogue.words, np.array([True, True, True, True]))
    alike = (near @ near.T).toarray()
    assert alike[0, 1] > 0.1 and alike[0, 2] == 0 and not catalogue.worded[3]
    early = tfidf(catalogue.words, np.array([True, True, False, False]))
    assert (
        early[:2] - tfidf(Catalogue.of([Item("a", "控糖饮食"), Item("b", "控糖 recipes")]).words, np.ones(2, bool))
    ).nnz == 0


def test_a_window_holds_first_touches_of_items_that_were_there(given):
    values = affinity_values()
    first = Window.at(given, 24 * HOUR, DAY, values)
    second = Window.at(given, 48 * HOUR, DAY, values)
    assert first.relevant.keys() == {1} and first.relevant[1].tolist() == [1]
    assert second.relevant.keys() == {2} and second.relevant[2].tolist() == [0]
    assert Window.at(given, 96 * HOUR, DAY, values) is None


def test_the_walk_offers_what_is_new_to_the_user_and_uses_the_past_alone(given):
    values = affinity_values()
    day = user_day(given, Window.at(given, 24 * HOUR, DAY, values), 1, values)
    assert day.candidates.tolist() == [1] and day.opened.tolist() == [True]
    told = dict(zip(names(values.half_lives_h), day.rows[0]))
    assert told["age"] == pytest.approx(np.log1p(22)) and told["readers"] == pytest.approx(np.log(2))
    assert told["origin"] == pytest.approx(np.log(2)) and told["topic"] == 0.0 and told["text"] == 0.0
    day = user_day(given, Window.at(given, 48 * HOUR, DAY, values), 0, values)
    assert dict(zip(names(values.half_lives_h), day.rows[0]))["condition"] == 0.0


def test_nothing_after_the_cut_changes_a_row(given):
    values, cut = affinity_values(), 24 * HOUR
    touches = given.touches
    kept = touches.time < cut
    early = Touches(*(getattr(touches, n)[kept] for n in ("user", "item", "time", "known", "weight")),
                    touches.users, touches.items, touches.born)  # fmt: skip
    alone = Readership(early, given.items, given.birth, given.names, given.record)
    for user in range(3):
        both = [
            rows(Sight(each.stage(cut, values), each.person(user, cut)), np.array([0, 1])) for each in (given, alone)
        ]
        np.testing.assert_array_equal(*both)


def test_folds_put_a_part_of_the_past_behind_the_cut(given):
    fold = folded(given, 96 * HOUR, DAY, 1, 0.2)
    assert (fold.touches.time <= 72 * HOUR).all() and len(fold.touches.time) == 7
    assert (fold.touches.born <= 72 * HOUR).all()


def test_the_gate_says_what_the_single_filter_says():
    rng = np.random.default_rng(1)
    bars = ["diabetes", "pregnancy", "N18", "who knows"]
    made = [
        _with(
            content_id=str(n),
            title=["控糖", "治愈率", ""][rng.integers(3)],
            published_at=[None, NOW - 1, NOW, NOW + 1][rng.integers(4)],
            expires_at=[None, NOW, NOW + 1][rng.integers(3)],
            reviewers=frozenset(map(str, range(rng.integers(2, 5)))),
            contraindications=frozenset(rng.choice(bars, rng.integers(0, 2)).tolist()),
            min_age=[None, 0.0, 18.0, float("nan")][rng.integers(4)],
            sensitive=[None, True, False][rng.integers(3)],
        )
        for n in range(600)
    ]
    gate = Gate(made)
    for reader in (ADULT, Reader(None), Reader(12.0, frozenset({"N18.3", "pregnancy"}), True)):
        found = [None if code < 0 else REASONS[code] for code in gate.verdict(reader, NOW)]
        assert found == [excluded(item, reader, NOW) for item in made]
        assert len(set(found)) > 5


def test_a_list_mixes_topics_and_repeats_none():
    catalogue = Catalogue.of([Item(str(n), topics=frozenset({"same" if n < 8 else f"t{n}"})) for n in range(12)])
    order = spread(np.arange(12, 0, -1.0), np.arange(12), catalogue, 10, affinity_values())
    assert len(set(order.tolist())) == 10 and order[0] == 0
    assert (order[:8] < 8).sum() == affinity_values().repeat_cap


def test_the_exploring_slot_draws_as_often_as_it_says():
    values = affinity_values()
    order = np.arange(4)
    seen = [explore(order, 30, values, seed) for seed in range(4000)]
    explored = np.array([each.explored for each in seen])
    assert 0.04 < explored.mean() < 0.06
    for each in seen[:200]:
        assert each.order[:3].tolist() == [0, 1, 2] and (each.propensity[:3] == 1).all()
        assert len(each.sampled) == 5 and not set(each.sampled.tolist()) & {0, 1, 2}
    drawn = [each for each in seen if each.order[-1] != 3]
    assert all(each.propensity[-1] == pytest.approx(0.01) for each in drawn)
    assert np.mean([1 / each.propensity[-1] * (each.order[-1] == 3) for each in seen]) == pytest.approx(1, abs=0.02)


def test_ranking_measures_on_a_list_worked_by_hand():
    ordered, relevant = np.array([7, 5, 3, 1]), np.array([3, 7])
    assert ndcg(ordered, relevant) == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3)))
    assert recall(ordered, relevant, k=1) == 0.5
