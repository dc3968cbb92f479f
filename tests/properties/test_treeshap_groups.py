"""Groups as players: equal to Shapley's sum over every coalition, on models and rows that hypothesis chooses."""

from __future__ import annotations

import itertools
import math

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError
from training.treeshap import TreeShap

NAMES = [f"f{j}" for j in range(8)]


def model(seed: int, **params: object) -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(700, 8)).round(1)
    X[rng.random(X.shape) < 0.2] = np.nan
    X[rng.random(X.shape) < 0.2] = 0.0
    filled = np.nan_to_num(X, nan=1.0)
    y = filled @ rng.normal(size=8) + 2 * filled[:, 0] * filled[:, 1] - filled[:, 2] * filled[:, 3]
    settings_ = {"objective": "regression", "num_leaves": 31, "min_data_in_leaf": 3, "verbose": -1, "num_threads": 1}
    data = lightgbm.Dataset(X, y, feature_name=NAMES)
    return lightgbm.train({**settings_, **params}, data, 4), X


def expected(node: dict, row: np.ndarray, known: frozenset[int]) -> float:
    """Value of a coalition: known features decide, the others are weighed by training rows."""
    if "left_child" not in node:
        return node["leaf_value"]
    left, right = node["left_child"], node["right_child"]
    if node["split_feature"] in known:
        value, kind = row[node["split_feature"]], node["missing_type"]
        value = 0.0 if np.isnan(value) and kind != "NaN" else value
        absent = (kind == "NaN" and np.isnan(value)) or (kind == "Zero" and abs(value) <= 1e-35)
        goes_left = node["default_left"] if absent else value <= node["threshold"]
        return expected(left if goes_left else right, row, known)
    share = left.get("internal_count", left.get("leaf_count")) / node["internal_count"]
    return share * expected(left, row, known) + (1 - share) * expected(right, row, known)


def brute_force(booster: lightgbm.Booster, row: np.ndarray, players: list[list[int]]) -> np.ndarray:
    """Shapley values of the players, then the value of the empty coalition."""
    roots = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    n = len(players)
    value = {
        coalition: sum(expected(root, row, frozenset(f for p in coalition for f in players[p])) for root in roots)
        for size in range(n + 1)
        for coalition in itertools.combinations(range(n), size)
    }
    phi = np.zeros(n + 1)
    phi[-1] = value[()]
    for coalition in value:
        weight = math.factorial(len(coalition)) * math.factorial(n - len(coalition) - 1) if len(coalition) < n else 0
        for p in set(range(n)) - set(coalition):
            phi[p] += weight / math.factorial(n) * (value[tuple(sorted((*coalition, p)))] - value[coalition])
    return phi


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    owner=st.lists(st.integers(0, 3), min_size=8, max_size=8),
    params=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}, {"max_depth": 2}]),
)
def test_groups_equal_brute_force(seed: int, owner: list[int], params: dict) -> None:
    booster, X = model(seed, **params)
    groups = {g: [NAMES[j] for j in range(8) if owner[j] == k] for k, g in enumerate("ABC")}  # owner 3: alone
    explainer = TreeShap(booster, groups)
    alone = [name for j, name in enumerate(NAMES) if owner[j] == 3]
    assert explainer.players == ("A", "B", "C", *alone)
    players = [[NAMES.index(f) for f in groups.get(p, [p])] for p in explainer.players]
    answer = explainer(X[:2])
    for row, phi in zip(X, answer):
        assert np.abs(phi - brute_force(booster, row, players)).max() < 1e-10


def test_a_path_really_holds_several_features_of_a_group() -> None:
    """The property would prove little if groups never met twice on a path."""
    booster, X = model(1)
    tables = TreeShap(booster, {"A": NAMES[:4], "B": NAMES[4:]}).tables
    assert (tables.asked[:, 0, 1] > 0).sum() > len(tables.asked) / 2
    apart = TreeShap(booster)(X[:20])[:, :4].sum(axis=1)
    together = TreeShap(booster, {"A": NAMES[:4]})(X[:20])[:, 0]
    assert np.abs(apart - together).max() > 1e-3  # a group's value is not the sum of its members'


def test_groups_are_checked() -> None:
    booster, _ = model(1)
    with pytest.raises(InputError, match="did you mean 'f1'"):
        TreeShap(booster, {"A": ["f1x"]})
    with pytest.raises(InputError, match="in group 'A' already"):
        TreeShap(booster, {"A": ["f1"], "B": ["f1"]})
    with pytest.raises(InputError, match="has the group's name"):
        TreeShap(booster, {"f2": ["f1"]})
