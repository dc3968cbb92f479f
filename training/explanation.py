"""An exact explanation of scores, and the alarm when one does not add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


class ExplanationFault(RuntimeError):
    """Base and contributions do not reach the margin, or a table changed after it was loaded.

    It is an alarm, never a score: the model must be loaded again from its artefact.

    Attributes
    ----------
    place
        Which of the models explained together it is.
    """

    def __init__(self, message: str, place: int = 0) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Explanation:
    """Scores of n rows with what each rests on; every number but `probability` is calibrated log-odds.

    Attributes
    ----------
    margin
        (n,) calibrated log-odds, from the leaves really reached or the linear predictor: computed
        apart from base and contributions.
    base
        The mean over the training rows, the same for all rows.
    contributions
        (n, features) exact Shapley values, in the order of the VectorSpec.
    group_contributions
        (n, groups) exact Shapley values with a clinical group as one player, in the order of `groups`.
    groups
        Names of the clinical groups.
    probability
        (n,) 1 / (1 + exp(-margin)).
    """

    margin: np.ndarray
    base: float
    contributions: np.ndarray
    group_contributions: np.ndarray
    groups: tuple[str, ...]
    probability: np.ndarray


def by_group(contributions: np.ndarray, groups: Mapping[str, str]) -> np.ndarray:
    """Return (n, groups): contributions (n, features) summed over each clinical group's members.

    ``groups`` is feature -> clinical group, in the order of the features; the sum is the group's
    Shapley value where interactions are shared equally.
    """
    order = {group: k for k, group in enumerate(dict.fromkeys(groups.values()))}
    together = np.zeros((len(contributions), len(order)))
    for j, group in enumerate(groups.values()):
        together[:, order[group]] += contributions[:, j]
    return together
