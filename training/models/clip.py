"""Clipping before training: no one patient's extreme stands in a model's text."""

from __future__ import annotations

import warnings

import numpy as np


def bounds(x: np.ndarray, percentiles: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return (lo, hi) of every column, from percentiles of its known values, rounded outward to 3 digits.

    A column without any value has NaN for both.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        lo, hi = np.nanpercentile(x, percentiles, axis=0)
    return _rounded(lo, np.floor), _rounded(hi, np.ceil)


def clipped(x: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """Return the columns kept inside their bounds; null stays null."""
    return np.where(np.isnan(lo), x, np.clip(x, lo, hi))


def _rounded(values: np.ndarray, to: np.ufunc) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(values == 0, 1.0, 10.0 ** (np.floor(np.log10(np.abs(values))) - 2))
    return to(values / scale) * scale
