"""The affinity head: learnt from rolling days, loaded by digest, ranking as it was trained to."""

import numpy as np
import pytest

from features.errors import InputError
from features.instants import DAY
from features.lake import Lake
from training.affinity.ranking import WEEK_H, Pool, Topics
from training.affinity.readers import readership
from training.affinity.recommender import CANDIDATES, Recommender, fit_affinity
from training.affinity.rolling import first_cut
from training.affinity.safety import unfit
from training.affinity.similarity import similarity
from training.affinity.touches import popularity
from training.affinity.values import affinity_values
from training.landmarks import without_consent
from training.tasks import task


@pytest.fixture(scope="module")
def fitted(sample, home):
    quick = ("evaluation.replicates=60", "affinity.train_days=84", "affinity.test_days=56")
    return fit_affinity(task("content_affinity"), Lake(sample / "lake"), quick)


@pytest.fixture(scope="module")
def recommender(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artefact") / "one"
    digest = fitted.scorer.save(folder, {}, fitted.files)
    assert (folder / CANDIDATES).is_file()
    return Recommender.load(folder, digest)


@pytest.fixture(scope="module")
def reading(sample):
    lake = Lake(sample / "lake")
    ids = lake.patients().astype(str)
    return readership(lake, frozenset(ids[without_consent(lake, ids)].tolist()))


def test_the_head_beats_newest_first_and_says_so(fitted):
    figures = fitted.figures
    assert figures["test_ndcg10"] > figures["test_ndcg10_newest"]
    assert 0.7 < figures["test_oe"] < 1.4
    assert any(name.startswith("test_ndcg10_popular_") for name in figures)


def test_a_list_is_ordered_by_affinity_and_leaves_out_what_was_opened(recommender, reading):
    at = recommender.trained_at
    offered = [item for item in reading.items if unfit(item, at) is None]
    seen = offered[0].content_id
    ranked = recommender.rank([(seen, at - DAY), ("unknown", at)], offered, frozenset({"diabetes"}), at, 12)
    assert len(ranked.items) == 12 and seen not in {item.content_id for item in ranked.items}
    assert (np.diff(ranked.affinity) <= 0).all() and ((ranked.affinity > 0) & (ranked.affinity < 1)).all()
    assert ranked.explanation.groups == ("popularity", "freshness", "peers", "topic", "clinical_match")
    whole = recommender.rank([], offered, frozenset(), at, len(offered))
    assert whole.relative.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-9)


def test_serving_reads_the_columns_that_training_did(recommender, reading):
    touches, at = reading.touches, recommender.trained_at
    topics = Topics.of([item.topics for item in reading.items], affinity_values().clinical)
    recent = popularity(touches, at, recommender.half_life_h)
    pool = Pool(at, recent, popularity(touches, at, WEEK_H), touches.born, topics)
    user = int(np.bincount(touches.user).argmax())
    history = np.unique(touches.item[touches.user == user])
    allowed = reading.allowed(user, at)
    held = reading.conditions(str(touches.users[user]), at)
    offered = [reading.items[place] for place in np.setdiff1d(allowed, history)]
    opened = [(str(touches.items[place]), at - DAY) for place in history]
    ranked = recommender.rank(opened, offered, held, at, len(offered))
    places = np.array([recommender.places[item.content_id] for item in ranked.items])
    near = similarity(touches, at, affinity_values().neighbours, affinity_values().shrinkage)
    peers = near.scores(history, len(touches.items))
    expected = pool.rows(places, peers, topics.read(history), topics.held(held))
    assert ranked.rows == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_fresh_touches_raise_popularity(recommender, reading):
    at = recommender.trained_at + 2 * DAY
    offered = [item for item in reading.items if unfit(item, at) is None]
    before = recommender.rank([], offered, frozenset(), at, len(offered))
    last = before.items[-1].content_id
    after = recommender.rank([], offered, frozenset(), at, len(offered), [(last, at - DAY // 24)] * 400)
    place = [item.content_id for item in after.items].index(last)
    assert after.rows[place, 0] > before.rows[-1, 0] + 4
    assert after.affinity[place] > before.affinity[-1]


def test_nothing_to_offer_is_an_empty_list(recommender):
    ranked = recommender.rank([], [], frozenset(), recommender.trained_at, 5)
    assert ranked.items == () and ranked.affinity.shape == (0,)


def test_a_lake_without_contents_says_so(tmp_path):
    (tmp_path / "patients").mkdir()
    with pytest.raises(InputError, match="no table 'contents'"):
        readership(Lake(tmp_path))


def test_the_test_days_are_the_last(reading):
    assert reading.touches.time[-1] - first_cut(reading.touches, 28) < 28 * DAY
