"""Ranker and head: learnt from rolling days, loaded by digest, ranking as they were trained to."""

from dataclasses import replace

import numpy as np
import pytest

from features.errors import InputError
from features.instants import DAY
from features.lake import Lake
from training.affinity.columns import Sight, rows
from training.affinity.item import Item
from training.affinity.learn import fit_affinity, refreshed
from training.affinity.readers import readership
from training.affinity.recommender import ORDER, Recommender
from training.affinity.safety import Reader, excluded
from training.affinity.touches import Touch
from training.affinity.user_days import FILE, UserDays, compare
from training.affinity.values import affinity_values
from training.gates import gates
from training.permission import without_consent
from training.plots import plots
from training.tasks import task

QUICK = ("evaluation.replicates=60", "affinity.test_days=42", "affinity.user_days=500", "affinity.ranker.rounds=40")


@pytest.fixture(scope="module")
def fitted(sample, home):
    return fit_affinity(task("content_affinity"), Lake(sample / "lake"), QUICK)


@pytest.fixture(scope="module")
def artefact(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artefact") / "one"
    return folder, fitted.scorer.save(folder, {"figures": dict(fitted.figures)}, fitted.files)


@pytest.fixture(scope="module")
def recommender(artefact):
    return Recommender.load(*artefact)


@pytest.fixture(scope="module")
def reading(sample):
    lake = Lake(sample / "lake")
    ids = lake.patients().astype(str)
    return readership(lake, affinity_values(), frozenset(ids[without_consent(lake, ids)].tolist()))


ADULT = Reader(50.0, frozenset({"diabetes"}))


def test_the_ranker_beats_every_baseline_and_says_so(fitted):
    figures = fitted.figures
    others = [value for name, value in figures.items() if name.startswith("test_ndcg10_") and name[12:15] != "gai"]
    assert figures["test_ndcg10"] > max(value for value in others if value < figures["test_ndcg10_hi"])
    assert figures["test_ndcg10"] > figures["test_ndcg10_persona_rules"]
    assert 0.6 < figures["test_oe"] < 1.6


def test_the_artefact_names_no_patient(artefact, reading):
    folder, _ = artefact
    held = b"".join(file.read_bytes() for file in folder.iterdir())
    assert not any(str(user).encode() in held for user in reading.touches.users)


def test_the_state_that_is_served_gives_the_rows_that_were_trained(recommender, reading):
    at, values = recommender.stage.at, affinity_values()
    display = recommender.display(reading.items, at)
    stage = reading.stage(at, values)
    for user in np.argsort(-np.bincount(reading.touches.user))[:3]:
        person = reading.person(int(user), at)
        offered = np.setdiff1d(np.flatnonzero(stage.there), person.history)
        expected = rows(Sight(stage, person), offered)
        found = rows(Sight(display.stage, person), offered)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_a_list_is_safe_unread_and_explained_relative_to_the_candidates(recommender, reading):
    at = recommender.stage.at
    display = recommender.display(reading.items, at)
    read = [(item.content_id, at - DAY) for item in reading.items[:30]]
    person = display.person(read, at, 50.0, ADULT.conditions)
    listed = recommender.recommend(display, person, ADULT, at, 10, seed=1)
    assert len(listed.items) == 10 and not {item.content_id for item in listed.items} & {name for name, _ in read}
    assert all(excluded(item, ADULT, at) is None for item in listed.items)
    assert ((listed.affinity > 0) & (listed.affinity < 1)).all()
    assert set(listed.groups) == {"popularity", "freshness", "peers", "topic", "clinical_match"}
    assert listed.relative.shape == (10, 5) and np.isfinite(listed.relative).all()
    assert listed.withheld and set(listed.withheld).isdisjoint(listed.eligible)
    again = recommender.recommend(display, person, ADULT, at, 10, seed=1)
    assert [item.content_id for item in again.items] == [item.content_id for item in listed.items]


def test_a_stranger_gets_a_list_and_so_does_who_has_read_everything(recommender, reading):
    at = recommender.stage.at
    display = recommender.display(reading.items, at)
    for history in ([], [(item.content_id, at - DAY) for item in reading.items]):
        person = display.person(history, at, None, frozenset())
        assert len(recommender.recommend(display, person, Reader(None), at, 5, seed=2).items) == 5


def test_an_item_published_since_is_offered_and_touches_raise_it(recommender, reading):
    at = recommender.stage.at + 2 * DAY
    doctors = frozenset({"a", "b", "c"})
    new = Item("new", "控糖饮食的要点", frozenset({"diabetes"}), published_at=at - DAY, expires_at=at + DAY,
               reviewers=doctors, sensitive=False)  # fmt: skip
    items = (*reading.items, new)
    quiet = recommender.display(items, at)
    person = quiet.person([], at, 50.0, ADULT.conditions)
    before = recommender.recommend(quiet, person, ADULT, at, 50, seed=3)
    assert "new" in before.eligible
    busy = quiet.lived(at, [Touch("new", at - DAY // 24)] * 400)
    place = busy.place["new"]
    assert busy.stage.popular[0, place] > 100 * quiet.stage.popular[0, place] + 100


def test_nothing_safe_is_an_empty_list(recommender):
    display = recommender.display((), recommender.stage.at)
    person = display.person([], recommender.stage.at, None, frozenset())
    listed = recommender.recommend(display, person, Reader(None), recommender.stage.at, 5, seed=4)
    assert listed.items == () and listed.relative.shape == (0, 5)


def test_the_margins_are_lightgbms_own(fitted, recommender):
    import lightgbm

    booster = lightgbm.Booster(model_str=fitted.files[ORDER])
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, booster.num_feature())) * 3
    x[rng.random(x.shape) < 0.3] = np.nan
    np.testing.assert_allclose(recommender.order(x), booster.predict(x, raw_score=True), atol=1e-12)


def test_a_refresh_keeps_the_ranker_and_renews_the_state(fitted, artefact, sample):
    again = refreshed(task("content_affinity"), *artefact, Lake(sample / "lake"))
    assert again.files[ORDER] == fitted.files[ORDER]
    assert again.figures["test_ndcg10"] == fitted.figures["test_ndcg10"]
    assert again.files["stage.json"] == fitted.files["stage.json"]


def test_a_lake_without_reading_says_so(tmp_path):
    (tmp_path / "patients").mkdir()
    with pytest.raises(InputError, match="no table 'interactions'"):
        readership(Lake(tmp_path), affinity_values())


def test_the_head_is_the_scorers(recommender):
    x = np.random.default_rng(1).normal(size=(20, len(recommender.scorer.spec.names))) * 3
    np.testing.assert_allclose(recommender.likely(x), recommender.scorer.probability(x), atol=1e-12)


def test_two_versions_are_compared_on_the_user_days_of_both(artefact, fitted, tmp_path):
    days = UserDays.read(*artefact)
    same = compare(artefact, artefact, "1")
    assert same.rows == len(days.day) >= 100 and same.patients == len(np.unique(days.user))
    assert all(figure.value == 0 for figure in same.figures.values()) and same.overlap == pytest.approx(1, abs=0.01)
    assert {gate.verdict for gate in same.gates()} == {"pass"}

    def version(name: str, told: UserDays):
        folder = tmp_path / name
        return folder, fitted.scorer.save(folder, {"figures": {}}, {**fitted.files, FILE: told.packed()})

    worse = version("worse", replace(days, ndcg10=np.zeros(len(days.day))))
    verdicts = {gate.name.rpartition(" ")[2]: gate.verdict for gate in compare(worse, artefact, "1").gates()}
    assert verdicts == {"ndcg10_gain": "block", "recall20_gain": "pass", "explanations": "pass"}
    few = version("few", UserDays(days.user[:40], days.day[:40], days.ndcg10[:40], days.recall20[:40]))
    with pytest.raises(InputError, match="missing 60 more"):
        compare(few, artefact, "1")


def test_a_ranker_is_gated_and_reported_as_other_models(fitted):
    ranking = fitted.sections["ranking"]
    assert sum(ranking["reasons"].values()) == pytest.approx(1, abs=0.01) and ranking["parts"]["history 5-19"]
    found = {gate.name: gate.verdict for gate in gates(fitted.figures, {"kind": "affinity"}, True, fitted.sections)}
    assert found["beats the reference: ndcg10"] in ("pass", "warn") and "parts of people and items" in found
    behind = {**fitted.figures, "test_ndcg10_gain": -0.1, "test_ndcg10_gain_lo": -0.2, "test_ndcg10_gain_hi": -0.01}
    told = {gate.name: gate.verdict for gate in gates(behind, {"kind": "affinity"}, True, fitted.sections)}
    assert told["beats the reference: ndcg10"] == "block"
    assert [step["step"] for step in fitted.attrition][:2] == [
        "patients of the lake",
        "no consent to model_development",
    ]
    assert len(plots(fitted.sections)) == 3
