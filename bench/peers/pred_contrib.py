"""The peer of the kernel: LightGBM's own contributions, one thread, a plain array in."""

from __future__ import annotations

import lightgbm
import numpy as np


def explain(booster: lightgbm.Booster, X: np.ndarray) -> np.ndarray:
    """Return (n, features + 1) in margin units, base last."""
    return np.asarray(booster.predict(X, pred_contrib=True, num_threads=1))
