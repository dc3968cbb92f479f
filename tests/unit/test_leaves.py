"""The margin without an explanation: LightGBM's own, to the last bit, however a tree looks and whatever is missing."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest

from training.treeshap.forest import Forest
from training.treeshap.leaves import Leaves


@pytest.mark.parametrize(
    "settings", [{"num_leaves": size} for size in (2, 7, 31, 64, 100)] + [{"num_leaves": 31, "zero_as_missing": True}]
)
def test_the_margin_is_lightgbms_own(settings: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.gamma(2.0, 1.0, (1500, 12))
    x[rng.random(x.shape) < 0.1] = np.nan
    x[:, 5] = np.nan_to_num(x[:, 5])
    x[rng.random(x.shape) < 0.1] = 0.0
    y = np.nan_to_num(x) @ rng.normal(size=12)
    data = lightgbm.Dataset(x, y, params={"verbosity": -1})
    booster = lightgbm.train({**settings, "objective": "regression", "verbosity": -1, "num_threads": 1}, data, 40)
    rows = x[:200].copy()
    rows[0], rows[1], rows[2], rows[3] = np.nan, 0.0, 1e9, -1e9
    found = Leaves(Forest.parse(booster.model_to_string()))(rows)
    np.testing.assert_array_equal(found, booster.predict(rows, raw_score=True))
