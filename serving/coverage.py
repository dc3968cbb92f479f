"""Consent by feature group: a group may be read only for a purpose that it declares and that a consent covers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from features.vector import VectorSpec
from serving.models import Served

_BEYOND: dict[tuple[str, str, str], tuple[tuple[str, tuple[str, ...]], ...]] = {}
"""What `beyond` found, by the digest of the plan's features, the model's, and the purpose."""


def beyond(spec: VectorSpec, served: Served, purpose: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (feature, its purposes) of a model's features that are not declared for a purpose.

    Parameters
    ----------
    spec
        The features as the catalogue declares them now; an artefact keeps what was declared when it
        was trained.
    """
    key = (spec.digest, served.digest, purpose)
    if key not in _BEYOND:
        own = frozenset(served.scorer.spec.names)
        mine = (each for each in spec.features if each.name in own and purpose not in each.purposes)
        _BEYOND[key] = tuple((each.name, each.purposes) for each in mine)
    return _BEYOND[key]


def uncovered(spec: VectorSpec, served: Served, purpose: str, stands: Callable[[str], bool]) -> frozenset[str]:
    """Return a model's features that no consent of the patient covers.

    Parameters
    ----------
    stands
        Whether the patient's consent for a purpose is current. The one asked for is, at this point.
    """
    found = beyond(spec, served, purpose)
    if not found:
        return frozenset()
    asked = {each: stands(each) for each in {each for _, purposes in found for each in purposes}}
    return frozenset(name for name, purposes in found if not any(asked[each] for each in purposes))


def masked(served: Served, row: np.ndarray, names: frozenset[str]) -> np.ndarray | None:
    """Return a model's inputs without what may not be read, or None where the model cannot do without.

    A model can do without the clinical groups that its card lists under ``maskable``: those were
    masked at random in training, and calibration under the mask was gated.
    """
    needed = {served.scorer.groups[name] for name in names & served.used}
    if not needed <= set(served.card.get("maskable", ())):
        return None
    hidden = np.array([name in names for name in served.scorer.spec.names])
    return np.where(hidden, np.nan, row)
