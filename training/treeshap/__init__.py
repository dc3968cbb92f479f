"""Exact path-dependent TreeSHAP for LightGBM's numeric trees, with features or groups of them as players.

>>> TreeShap(booster)(X)  # doctest: +SKIP
"""

from training.treeshap.treeshap import TreeShap, explain

__all__ = ["TreeShap", "explain"]
