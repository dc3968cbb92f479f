"""Section ``affinity`` of params.yaml."""

from __future__ import annotations

import functools

from pydantic import Field

from features.params import Values, section


class AffinityValues(Values):
    """Settings of content affinity.

    ``half_lives_h`` are tried on the training days; ``test_days`` are the last days of the lake,
    ``train_days`` those before; ``user_days`` caps the user-days that the head is fitted to;
    ``clinical`` says to which codelist a topic belongs that is not named as one.
    """

    half_lives_h: tuple[float, ...] = Field(min_length=1)
    train_days: int = Field(ge=7)
    test_days: int = Field(ge=3)
    refit_days: int = Field(ge=1)
    user_days: int = Field(ge=100)
    neighbours: int = Field(ge=1)
    shrinkage: float = Field(ge=0)
    reviewers: int = Field(ge=1)
    forbidden: tuple[str, ...]
    clinical: dict[str, str]
    seed: int


@functools.cache
def affinity_values(overrides: tuple[str, ...] = ()) -> AffinityValues:
    return section("affinity", AffinityValues, overrides)
