"""The kernel against LightGBM's own contributions, and its refusals."""

from __future__ import annotations

import threading
from fractions import Fraction

import lightgbm
import numpy as np
import pytest

from features.errors import InputError
from training.explanation import ExplanationFault
from training.treeshap import TreeShap, explain
from training.treeshap.forest import Forest

QUIET = {"objective": "binary", "num_threads": 1, "verbose": -1, "deterministic": True, "min_data_in_leaf": 5}


def rows(n: int, features: int, seed: int, missing: float = 0.15, zeros: float = 0.15) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, features))
    X[rng.random(X.shape) < zeros] = 0.0
    X[rng.random(X.shape) < missing] = np.nan
    return X


def labels(X: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    filled = np.nan_to_num(X, nan=0.7)
    score = filled @ rng.normal(size=X.shape[1]) + filled[:, 0] * filled[:, 1] + np.isnan(X[:, 0])
    return (score + rng.logistic(size=len(X)) > 0.5).astype(float)


def train(
    X: np.ndarray, y: np.ndarray, rounds: int = 20, weight: np.ndarray | None = None, **params: object
) -> lightgbm.Booster:
    return lightgbm.train({**QUIET, **params}, lightgbm.Dataset(X, y, weight=weight, free_raw_data=False), rounds)


def differences(booster: lightgbm.Booster, X: np.ndarray) -> float:
    return float(np.abs(TreeShap(booster)(X) - booster.predict(X, pred_contrib=True)).max())


VARIANTS = {
    "nan": {},
    "zero_as_missing": {"zero_as_missing": True},
    "missing_unused": {"use_missing": False},
    "stumps": {"num_leaves": 2},
    "shallow": {"max_depth": 3},
    "no_start": {"boost_from_average": False, "learning_rate": 0.7},
    "forest": {"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.7},
    "dart": {"boosting": "dart", "drop_rate": 0.5},
    "goss": {"data_sample_strategy": "goss"},
    "regression": {"objective": "regression", "num_leaves": 63},
    "monotone": {"monotone_constraints": [1, -1] + [0] * 10},
    "extra": {"extra_trees": True, "num_leaves": 127, "min_data_in_leaf": 1},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_equals_lightgbm(variant: str, missing: float) -> None:
    X = rows(1500, 12, seed=1, missing=missing)
    weight = np.random.default_rng(2).exponential(size=len(X))
    booster = train(X, labels(X, 3), weight=weight, **VARIANTS[variant])
    unseen = rows(200, 12, seed=4, missing=0.3)  # missing at prediction too where training had none
    unseen[:5], unseen[5:10], unseen[10:15] = 1e-36, np.inf, -np.inf
    assert differences(booster, unseen) < 1e-10


def test_both_default_directions_and_all_missing_types_occur() -> None:
    """The variants above would prove little if no tree had these."""
    kinds = set()
    for variant in ("nan", "zero_as_missing", "missing_unused"):
        X = rows(1500, 12, seed=1)
        for tree in train(X, labels(X, 3), **VARIANTS[variant]).dump_model()["tree_info"]:
            waiting = [tree["tree_structure"]]
            while waiting:
                node = waiting.pop()
                if "left_child" in node:
                    kinds.add((node["missing_type"], node["default_left"]))
                    waiting += [node["left_child"], node["right_child"]]
    assert {("NaN", True), ("NaN", False), ("Zero", True), ("Zero", False)} <= kinds
    assert any(kind == "None" for kind, _ in kinds)


def staircase(features: int, leaves: int, step: float, rate: float) -> tuple[lightgbm.Booster, np.ndarray]:
    """Trees that meet every feature on one path: only rows that passed one step learn from the next."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, features))
    X[rng.random(X.shape) < 0.02] = np.nan
    passed, y = np.ones(len(X), bool), np.zeros(len(X))
    for j in range(features):
        y[passed] += 1.0
        passed &= ~(X[:, j] < step)
    params = {"objective": "regression", "num_leaves": leaves, "min_data_in_leaf": 1, "learning_rate": rate}
    return train(X, y + X[:, 0], rounds=4, **params), X


def test_large_and_deep_trees() -> None:
    booster, X = staircase(26, 511, step=-1.0, rate=0.05)
    explainer = TreeShap(booster)
    assert np.diff(explainer.tables.first).max() == 510
    assert explainer.tables.rule[:, 0, 1].max() == 2  # two blocks of eight nodes: more than 16 features on a path
    assert distinct_on_a_path(booster) >= 25
    assert np.abs(explainer(X[:60]) - booster.predict(X[:60], pred_contrib=True)).max() < 1e-10


def test_exact_where_lightgbm_loses_digits() -> None:
    """With 50 features on a path LightGBM's own answer no longer adds up; ours is compared with fractions."""
    booster, X = staircase(60, 90, step=-1.8, rate=1.0)
    (tree,) = booster.dump_model(num_iteration=1)["tree_info"]
    row = X[0]
    ours = TreeShap(Forest.parse(booster.model_to_string(num_iteration=1)))(row[None])[0]
    exact = [float(value) for value in in_fractions(tree["tree_structure"], row)]
    assert distinct_on_a_path(booster) > 48  # four blocks
    assert np.abs(ours[:-1] - exact).max() < 1e-12


def in_fractions(root: dict, row: np.ndarray) -> list[Fraction]:
    """Owen's integral leaf by leaf, its polynomial multiplied out in fractions."""
    phi = [Fraction(0)] * len(row)
    waiting: list[tuple[dict, dict[int, tuple[int, Fraction]]]] = [(root, {})]
    while waiting:
        node, path = waiting.pop()
        if "left_child" in node:
            j = node["split_feature"]
            met, share = path.get(j, (1, Fraction(1)))
            left = goes_left(node, row[j])
            for child, taken in ((node["left_child"], left), (node["right_child"], not left)):
                part = Fraction(count(child), count(node))
                waiting.append((child, {**path, j: (met * taken, share * part)}))
            continue
        product = [Fraction(1)]
        for o, z in path.values():
            product = [z * a + (o - z) * b for a, b in zip([*product, 0], [0, *product])]
        for j, (o, z) in path.items():
            rest: list[Fraction] = []  # product / (z + (o - z) t)
            for coefficient in product[:-1]:
                rest.append((coefficient - (o - z) * rest[-1] if rest else coefficient) / z)
            integral = sum(coefficient / (k + 1) for k, coefficient in enumerate(rest))
            phi[j] += Fraction(node["leaf_value"]) * (o - z) * integral
    return phi


def goes_left(node: dict, value: float) -> bool:
    """LightGBM's decision in plain Python."""
    kind = node["missing_type"]
    value = 0.0 if np.isnan(value) and kind != "NaN" else value
    if (kind == "NaN" and np.isnan(value)) or (kind == "Zero" and abs(value) <= 1e-35):
        return bool(node["default_left"])
    return bool(value <= node["threshold"])


def count(node: dict) -> int:
    return node["internal_count"] if "left_child" in node else node["leaf_count"]


def distinct_on_a_path(booster: lightgbm.Booster) -> int:
    most = 0
    waiting = [(tree["tree_structure"], frozenset()) for tree in booster.dump_model()["tree_info"]]
    while waiting:
        node, seen = waiting.pop()
        most = max(most, len(seen))
        if "left_child" in node:
            below = seen | {node["split_feature"]}
            waiting += [(node["left_child"], below), (node["right_child"], below)]
    return most


def test_a_model_without_splits() -> None:
    X = rows(200, 3, seed=5)
    booster = train(X, labels(X, 6), rounds=3, min_data_in_leaf=5000)
    answer = TreeShap(booster)(X)
    assert np.abs(answer - booster.predict(X, pred_contrib=True)).max() < 1e-12
    assert not answer[:, :-1].any()


def test_follows_the_best_iteration() -> None:
    X = rows(800, 6, seed=7)
    booster = train(X, labels(X, 8), rounds=30)
    booster.best_iteration = 7
    assert differences(booster, X[:50]) < 1e-10
    assert len(TreeShap(booster).tables.rule) == 7


def test_margin_is_that_of_the_leaves_reached() -> None:
    X = rows(1500, 12, seed=1)
    booster = train(X, labels(X, 3))
    contributions, base, margin = TreeShap(booster).explain(X)
    assert np.abs(margin - booster.predict(X, raw_score=True)).max() < 1e-12
    assert np.abs(base + contributions.sum(axis=1) - margin).max() < 1e-12


def test_one_row_and_a_batch_are_bit_equal() -> None:
    X = rows(300, 12, seed=1)
    explainer = TreeShap(train(X, labels(X, 3)))
    together = explainer(X)
    assert all(np.array_equal(explainer(X[i : i + 1])[0], together[i]) for i in range(len(X)))
    assert explainer(X[:0]).shape == (0, 13)


def test_two_casts_are_what_each_is_alone() -> None:
    X = rows(300, 12, seed=1)
    booster = train(X, labels(X, 3))
    groups = {"A": [f"Column_{j}" for j in range(5)], "B": [f"Column_{j}" for j in range(5, 9)]}
    apart, together, both = TreeShap(booster), TreeShap(booster, groups), TreeShap(booster, {}, groups)
    assert both.players == (*apart.players, *together.players)
    contributions, base, margin = both.explain(X)
    assert base == apart.base
    assert np.array_equal(contributions, np.hstack([apart.explain(X)[0], together.explain(X)[0]]))
    assert np.array_equal(margin, apart.explain(X)[2])


def test_several_models_in_one_call_are_what_each_is_alone() -> None:
    X = rows(300, 12, seed=1)
    groups = {"A": ["Column_0", "Column_1"]}
    kernels = [
        TreeShap(train(X, labels(X, 3))),
        TreeShap(train(X[:, :4], labels(X, 2), rounds=7), {}, groups),
        TreeShap(train(X, labels(X, 6), rounds=3, min_data_in_leaf=5000)),
    ]
    asked = [X[:20], X[:33, :4], X[:1]]
    for kernel, part, (contributions, margin) in zip(kernels, asked, explain(kernels, asked), strict=True):
        alone = kernel.explain(part)
        assert np.array_equal(contributions, alone[0]) and np.array_equal(margin, alone[2])
    assert explain([], []) == []
    kernels[1].tables.leaf[0, 0] += 1e-3
    with pytest.raises(ExplanationFault) as fault:
        explain(kernels, asked)
    assert fault.value.place == 1


def test_threads_share_one_explainer() -> None:
    X = rows(2000, 12, seed=1)
    explainer = TreeShap(train(X, labels(X, 3)))
    expected, found = explainer(X), {}

    def work(k: int) -> None:
        found[k] = explainer(X)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(found[k], expected) for k in range(4))


def test_refuses_what_it_cannot_explain_exactly() -> None:
    rng = np.random.default_rng(9)
    X = rng.normal(size=(600, 3))
    X[:, 2] = rng.integers(0, 6, 600)
    y = (X[:, 0] + (X[:, 2] % 2) > 0.5).astype(float)
    categorical = lightgbm.train(QUIET, lightgbm.Dataset(X, y, categorical_feature=[2]), 5)
    with pytest.raises(InputError, match="categorical"):
        TreeShap(categorical)
    linear = lightgbm.train({**QUIET, "linear_tree": True}, lightgbm.Dataset(X, y), 5)
    with pytest.raises(InputError, match="linear"):
        TreeShap(linear)
    three = lightgbm.train({**QUIET, "objective": "multiclass", "num_class": 3}, lightgbm.Dataset(X, X[:, 2] % 3), 5)
    with pytest.raises(InputError, match="multi-output"):
        TreeShap(three)


def test_refuses_rows_of_another_shape() -> None:
    X = rows(300, 4, seed=1)
    explainer = TreeShap(train(X, labels(X, 2)))
    for wrong in (X[:, :3], X[0]):
        with pytest.raises(InputError, match="4 features"):
            explainer(wrong)
