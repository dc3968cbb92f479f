"""Off-policy evaluation: what another way of filling lists would have earned, from lists that were logged.

Of an impression the log says which item stood in which slot, how probable that was, and whether it was
opened. With w = probability under the other policy / logged propensity, r = opened and q a model of r:

    IPS    mean of w r                                              (Horvitz and Thompson 1952)
    SNIPS  sum of w r / sum of w                                    (Swaminathan and Joachims 2015)
    DR     mean of E_other[q] + w (r - q of the item shown)         (Dudik, Langford and Li 2011)

Weights are clipped. Items that the log never shows in a slot have no propensity: what the other policy
puts on them is not identifiable, and is reported instead of being guessed. Where the log could show whatever the
policy wants the weights are 1 on average; what they lack is not identifiable either. No impression is not a negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import InputError
from training.evaluate import Figure

CLIP = 100.0
Z = 1.96


@dataclass(frozen=True)
class Logged:
    """Impressions with what the other policy would have done.

    Parameters
    ----------
    cluster
        (n,) patient, or list, of each impression: errors of one are taken to go together.
    reward
        (n,) 1 where it was opened.
    propensity
        (n,) logged probability of the item in its slot.
    target
        (n,) probability of the item in its slot under the other policy.
    modelled
        (n,) expected reward of the item shown.
    value
        (n,) expected reward under the other policy, over the items that it can be judged on.
    outside
        (n,) probability that the other policy puts on items that the log never shows in the slot.
    """

    cluster: np.ndarray
    reward: np.ndarray
    propensity: np.ndarray
    target: np.ndarray
    modelled: np.ndarray
    value: np.ndarray
    outside: np.ndarray


@dataclass(frozen=True)
class Estimates:
    """Openings per impression under the other policy, and how much the log can say of it.

    Parameters
    ----------
    effective
        (sum w)^2 / sum w^2: the impressions that the estimate is worth.
    clipped
        Share of the weights above the clip.
    weight
        Mean weight before clipping: 1 where the log could show whatever the policy wants.
    unidentifiable
        Share of the other policy that the log cannot tell of: its mean probability outside the support, or what the
        mean weight lacks of 1 beyond chance, whichever is more.
    """

    impressions: int
    logged: Figure
    ips: Figure
    snips: Figure
    dr: Figure
    effective: float
    clipped: float
    weight: Figure
    unidentifiable: float


def estimate(log: Logged, clip: float = CLIP) -> Estimates:
    """Return the estimates, each with its 95 % interval by the linearised variance over clusters.

    Raises
    ------
    InputError
        No impressions, or a propensity that is not in (0, 1].
    """
    if not len(log.reward):
        raise InputError("no impressions with a propensity", where="ope", remedy="log lists with their propensities")
    if not ((log.propensity > 0) & (log.propensity <= 1)).all():
        raise InputError("a propensity is not in (0, 1]", where="ope, table impressions")
    raw = log.target / log.propensity
    weight, mean = np.minimum(raw, clip), _mean(raw, log.cluster)
    total = weight.sum()
    snips = float((weight * log.reward).sum() / total) if total else float("nan")
    return Estimates(
        len(log.reward),
        _mean(log.reward, log.cluster),
        _mean(weight * log.reward, log.cluster),
        _around(snips, weight * (log.reward - snips) / max(total / len(weight), 1e-12), log.cluster),
        _mean(log.value + weight * (log.reward - log.modelled), log.cluster),
        float(total**2 / max((weight**2).sum(), 1e-12)),
        float((raw > clip).mean()),
        mean,
        max(float(log.outside.mean()), 1 - mean.hi),
    )


def _mean(each: np.ndarray, cluster: np.ndarray) -> Figure:
    value = float(each.mean())
    return _around(value, each - value, cluster)


def _around(value: float, influence: np.ndarray, cluster: np.ndarray) -> Figure:
    _, row = np.unique(cluster, return_inverse=True)
    sums = np.bincount(row, weights=influence)
    groups = len(sums)
    spread = np.sqrt((sums**2).sum() * groups / max(groups - 1, 1)) / len(influence)
    return Figure(value, value - Z * spread, value + Z * spread)
