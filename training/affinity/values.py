"""Section ``affinity`` of params.yaml."""

from __future__ import annotations

import functools

from pydantic import Field

from features.params import Values, section


class Quotas(Values):
    """How many items each retriever puts forward; ``least`` is filled up with the newest."""

    popular: int = Field(ge=1)
    newest: int = Field(ge=1)
    peers: int = Field(ge=1)
    content: int = Field(ge=1)
    origin: int = Field(ge=1)
    clinical: int = Field(ge=1)
    segment: int = Field(ge=1)
    least: int = Field(ge=1)


class RankerValues(Values):
    """Settings of the trees, names as in LightGBM's documentation; METHODS bounds leaves and trees."""

    num_leaves: int = Field(ge=2, le=31)
    rounds: int = Field(ge=1, le=200)
    learning_rate: float = Field(gt=0, le=1)
    min_data_in_leaf: int = Field(ge=1)
    lambda_l2: float = Field(ge=0)
    feature_fraction: float = Field(gt=0, le=1)
    bagging_fraction: float = Field(gt=0, le=1)
    truncation: int = Field(ge=1)


class ExploringValues(Values):
    """The exploring slot: how often, and among how many candidates drawn uniformly."""

    probability: float = Field(ge=0, lt=1)
    candidates: int = Field(ge=1)


class AffinityValues(Values):
    """Settings of content affinity.

    Parameters
    ----------
    half_lives_h
        Of popularity; the ranker learns which to trust, the report tries each as a baseline.
    segment_half_lives_h
        Of what patients alike read.
    weights
        Worth of a touch by its kind; a kind that is not named is worth ``other``.
    windows, user_days
        The ranker is fitted to at most so many windows and user-days before an instant.
    test_days
        The last days of the lake, on which a run judges itself.
    retrain_days
        How often a backtest fits the ranker again.
    negatives
        Candidates kept of each user-day beside those opened.
    hidden, strangers
        Share of items, and of user-days, that training takes for new ones.
    ease_items
        Above so many items with readers peers come from sparse neighbours alone.
    repeat_cap, diversity
        At most so many items of one topic set in ten; what a further item of the same topics, or of
        the same layer, loses in log-odds.
    fatigue_days, fatigue_shown
        An item shown so often in so many days without being opened is withheld.
    refresh_minutes
        How old popularity and ages may be in serving.
    channel_formats
        Formats that a channel shows best, the best first: they order the list that is the same for everyone.
    clinical
        Codelist of a topic that is not named as one.
    personas
        DOMAIN's persona rules, a baseline: condition on record -> topics it asks for.
    """

    half_lives_h: tuple[float, ...] = Field(min_length=2)
    segment_half_lives_h: tuple[float, float]
    weights: dict[str, float]
    windows: int = Field(ge=8)
    user_days: int = Field(ge=100)
    test_days: int = Field(ge=3)
    retrain_days: int = Field(ge=1)
    negatives: int = Field(ge=10)
    hidden: float = Field(ge=0, lt=0.5)
    strangers: float = Field(ge=0, lt=0.5)
    quotas: Quotas
    ranker: RankerValues
    ease_items: int = Field(ge=0)
    ridge: float = Field(gt=0)
    neighbours: int = Field(ge=1)
    shrinkage: float = Field(ge=0)
    exploring: ExploringValues
    repeat_cap: int = Field(ge=1)
    diversity: float = Field(ge=0)
    fatigue_days: float = Field(ge=0)
    fatigue_shown: int = Field(ge=1)
    refresh_minutes: float = Field(ge=0)
    reviewers: int = Field(ge=1)
    forbidden: tuple[str, ...]
    sensitive_topics: tuple[str, ...] = ()
    channel_formats: dict[str, tuple[str, ...]]
    clinical: dict[str, str]
    personas: dict[str, tuple[str, ...]]
    seed: int


@functools.cache
def affinity_values(overrides: tuple[str, ...] = ()) -> AffinityValues:
    return section("affinity", AffinityValues, overrides)
