"""The scorer: additive on the calibrated scale, whole or not loaded, and loud when its tables change."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from features.errors import InputError
from features.vector import Feature, VectorSpec
from training.cost import cost, size
from training.evaluate import EvaluationValues
from training.explanation import ExplanationFault
from training.manifest import digest_of
from training.models.logistic import Cross, Logistic, Term
from training.scorer import Scorer

GROUPS = ("age", "glucose", "glucose", "glucose", "visits", "visits", "lipids", "lipids")
CARD = {"task": "churn_90d"}


@dataclass(frozen=True)
class Fitted:
    booster: lightgbm.Booster


def spec(reverse: bool = False) -> VectorSpec:
    made = tuple(
        Feature(f"f{j}", f"特征{j}", f"feature {j}", "1", group, 365.0, ("care_followup",), False, False, {"is": j})
        for j, group in enumerate(GROUPS)
    )
    return VectorSpec(made[::-1] if reverse else made)


def rows(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, len(GROUPS)))
    X[rng.random(X.shape) < 0.2] = np.nan
    return X


@pytest.fixture(scope="module")
def candidates() -> dict[str, Any]:
    X = rows(3000, 0)
    filled = np.nan_to_num(X, nan=0.5)
    y = filled[:, 0] + filled[:, 1] * filled[:, 2] + np.random.default_rng(1).logistic(size=len(X)) > 0
    params = {"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 1}
    data = lightgbm.Dataset(X, y.astype(float), feature_name=[f"f{j}" for j in range(8)])
    terms = (
        Term(0, -2.0, 2.0, 0.1, (-1.5, -0.5, 0.5, 1.5), True),
        Term(2, -2.0, 2.0, 0.0, (), True),
        Term(3, -2.0, 2.0, 0.0, (-1.0, 0.0, 1.0), False),
    )
    crosses = (Cross(Term(1, -2.0, 2.0, 0.1, (), True), Term(4, -1.5, 2.0, 0.2, (), True)),)
    beta = np.array([0.7, -0.3, 0.2, 0.4, -0.5, 0.1, 0.6, -0.2, 0.5, -0.4, 0.3])
    blank = Logistic(terms, np.zeros(11), np.ones(11), beta, -1.0, 1.0, crosses)
    columns = blank.design(X)
    logistic = Logistic(terms, columns.mean(axis=0), columns.std(axis=0), beta, -1.0, 1.0, crosses)
    return {"trees": Fitted(lightgbm.train(params, data, 60)), "linear": logistic}


def scorer_of(candidate: Any, columns: VectorSpec | None = None) -> Scorer:
    return Scorer.of(
        candidate,
        task="churn_90d",
        horizon_days=90,
        spec=columns or spec(),
        bands=(0.1, 0.2, 0.4),
        calibration=(1.3, -0.4),
    )


@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_adds_up_on_the_calibrated_scale(kind: str, candidates: dict[str, Any]) -> None:
    scorer, X = scorer_of(candidates[kind]), rows(10_000, 2)
    found = scorer.explain(X)
    assert np.abs(found.base + found.contributions.sum(axis=1) - found.margin).max() < 1e-9
    assert np.abs(found.base + found.group_contributions.sum(axis=1) - found.margin).max() < 1e-9
    assert np.array_equal(found.probability, 1 / (1 + np.exp(-found.margin)))
    assert np.array_equal(scorer.probability(X), found.probability)
    assert found.groups == ("age", "glucose", "visits", "lipids")
    assert found.margin.dtype == found.contributions.dtype == np.float64
    assert not found.contributions[:, [j for j in range(8) if f"f{j}" not in scorer.used]].any()


def test_trees_score_as_lightgbm_does(candidates: dict[str, Any]) -> None:
    booster, X = candidates["trees"].booster, rows(500, 3)
    found = scorer_of(candidates["trees"]).explain(X)
    raw = booster.predict(X, raw_score=True)
    assert np.abs(found.margin - (1.3 * raw - 0.4)).max() < 1e-12
    assert np.abs(found.contributions / 1.3 - booster.predict(X, pred_contrib=True)[:, :-1]).max() < 1e-10


def test_linear_contributions_are_beta_times_distance_from_the_mean(candidates: dict[str, Any]) -> None:
    logistic, X = candidates["linear"], rows(500, 3)
    found = scorer_of(logistic).explain(X)
    assert np.abs(found.margin - (1.3 * logistic.margin(X) - 0.4)).max() < 1e-12
    each = logistic.design(X) * logistic.coefficients
    assert np.allclose(found.contributions[:, 0] / 1.3, each[:, :4].sum(axis=1))  # value, two spline columns, indicator
    assert np.allclose(found.contributions[:, 2] / 1.3, each[:, 4:6].sum(axis=1))
    assert np.allclose(found.group_contributions[:, 1], found.contributions[:, 1:4].sum(axis=1))
    trained = scorer_of(logistic).explain(rows(3000, 0))
    assert np.abs(trained.contributions.mean(axis=0)).max() < 1e-12  # the base is the training rows' mean
    assert scorer_of(logistic).used == ("f0", "f1", "f2", "f3", "f4")


def test_an_interaction_is_shared_equally(candidates: dict[str, Any]) -> None:
    logistic, X = candidates["linear"], rows(500, 3)
    found = scorer_of(logistic).explain(X)
    together = (logistic.design(X) * logistic.coefficients)[:, 8:].sum(axis=1)
    assert np.allclose(found.contributions[:, 1] / 1.3, together / 2)
    assert np.array_equal(found.contributions[:, 1], found.contributions[:, 4])


@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_comes_back_bit_equal(kind: str, candidates: dict[str, Any], tmp_path: Path) -> None:
    scorer, X = scorer_of(candidates[kind]), rows(200, 4)
    digest = scorer.save(tmp_path / "a", CARD)
    assert digest_of(tmp_path / "a") == digest
    again = Scorer.load(tmp_path / "a", digest)
    before, after = scorer.explain(X), again.explain(X)
    assert np.array_equal(before.contributions, after.contributions)
    assert np.array_equal(before.group_contributions, after.group_contributions)
    assert np.array_equal(before.margin, after.margin)
    assert (again.spec.digest, again.bands, again.used) == (scorer.spec.digest, (0.1, 0.2, 0.4), scorer.used)
    assert again.save(tmp_path / "b", CARD) == digest


@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_a_changed_folder_is_refused_by_the_file_s_name(kind: str, candidates: dict[str, Any], tmp_path: Path) -> None:
    def saved(name: str) -> tuple[Path, str]:
        folder = tmp_path / name
        return folder, scorer_of(candidates[kind]).save(folder, CARD)

    model = {"trees": "model.txt", "linear": "linear.json"}[kind]
    for k, name in enumerate((model, "scorer.json", "golden.json", "card.json", "manifest.json")):
        folder, digest = saved(f"cut{k}")
        (folder / name).write_bytes((folder / name).read_bytes()[:-20])
        with pytest.raises(InputError, match=name):
            Scorer.load(folder, digest)
        folder, digest = saved(f"gone{k}")
        (folder / name).unlink()
        with pytest.raises(InputError, match=name):
            Scorer.load(folder, digest)
    folder, digest = saved("extra")
    (folder / "more.pkl").write_bytes(b"x")
    with pytest.raises(InputError, match=r"more\.pkl"):
        Scorer.load(folder, digest)
    folder, _ = saved("other")
    with pytest.raises(InputError, match=r"manifest\.json"):
        Scorer.load(folder, "0" * 64)
    with pytest.raises(InputError, match="not empty"):
        scorer_of(candidates[kind]).save(folder, CARD)


@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_an_artefact_that_does_not_fit_itself_is_refused(kind: str, candidates: dict[str, Any], tmp_path: Path) -> None:
    """Consistent digests, wrong contents: another order of inputs, other golden answers, a damaged model."""
    model = {"trees": "model.txt", "linear": "linear.json"}[kind]

    def tampered(name: str, change: Any) -> tuple[Path, str]:
        from training.manifest import read, write

        folder = tmp_path / name.replace(".", "_")
        files = read(folder, scorer_of(candidates[kind]).save(folder, CARD))
        files[name] = change(files[name])
        copy = folder.with_name(folder.name + "_copy")
        return copy, write(copy, files)

    def reordered(text: str) -> str:
        told = json.loads(text)
        return json.dumps({**told, "spec": json.loads(spec(reverse=True).to_json())})

    def shifted(text: str) -> str:
        told = json.loads(text)
        told["margin"][0] += 1e-6
        return json.dumps(told)

    for name, change, match in (
        ("scorer.json", reordered, "features are not the vector's"),
        ("scorer.json", lambda text: "{}", r"scorer\.json"),
        ("golden.json", shifted, r"golden\.json"),
        (model, lambda text: text[: len(text) // 2], model),
    ):
        with pytest.raises(InputError, match=match):
            Scorer.load(*tampered(name, change))
        for folder in tmp_path.iterdir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()


def test_fifty_random_corruptions_raise_and_none_alarms_falsely(candidates: dict[str, Any], tmp_path: Path) -> None:
    digest = scorer_of(candidates["trees"]).save(tmp_path / "a", CARD)
    scorer, X = Scorer.load(tmp_path / "a", digest), rows(50, 5)
    rng = np.random.default_rng(6)
    for k in range(50):
        table = getattr(scorer.model.kernel.tables, ("leaf", "inverse")[k % 2]).reshape(-1)
        place = rng.integers(len(table))
        change = rng.choice([-1, 1]) * 10.0 ** rng.uniform(-5.99, 0)
        kept = table[place]
        table[place] += change
        with pytest.raises(ExplanationFault):
            scorer.explain(X[k : k + 1])
        table[place] = kept
    scorer.explain(rows(10_000, 7))


@pytest.mark.parametrize("table", ["first", "rule", "nodes", "column", "threshold", "place", "asked"])
def test_every_other_table_is_watched_too(table: str, candidates: dict[str, Any]) -> None:
    scorer, X = scorer_of(candidates["trees"]), rows(1, 5)
    flat = getattr(scorer.model.kernel.tables, table).reshape(-1)
    flat[len(flat) // 2] += 1
    with pytest.raises(ExplanationFault):
        scorer.explain(X)


def test_a_corrupted_coefficient_raises(candidates: dict[str, Any]) -> None:
    logistic = candidates["linear"]
    scorer = scorer_of(replace(logistic, coefficients=logistic.coefficients.copy()))
    scorer.model.logistic.coefficients[2] += 1e-6
    with pytest.raises(ExplanationFault):
        scorer.explain(rows(1, 5))


def test_refuses_a_model_of_other_features(candidates: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="features are not the vector's"):
        scorer_of(candidates["trees"], spec(reverse=True))
    with pytest.raises(InputError, match="8 features"):
        scorer_of(candidates["trees"]).explain(np.zeros((1, 7)))


def test_what_a_model_costs_is_counted_and_its_gate_blocks_past_the_size(candidates: dict[str, Any]) -> None:
    values = EvaluationValues(replicates=50, seed=1, calls_per_day=1, leaves=10_000, milliseconds=10_000)
    for kind, least in (("trees", 100), ("linear", 5)):
        found = cost(scorer_of(candidates[kind]))
        assert found.size >= least and found.milliseconds > 0
        assert found.gate(values).verdict == "pass"
        assert found.gate(values.model_copy(update={"leaves": found.size - 1})).verdict == "block"
        assert found.gate(values.model_copy(update={"milliseconds": 1e-6})).verdict == "warn"
    booster = candidates["trees"].booster
    leaves = max(tree["num_leaves"] for tree in booster.dump_model()["tree_info"])
    assert size(scorer_of(candidates["trees"])) == booster.num_trees() * leaves
