"""Fatigue: what was shown often enough lately without being opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from features.instants import DAY
from training.affinity.values import AffinityValues


def tired(shown: Iterable[tuple[str | None, bool | None, int]], at: int, values: AffinityValues) -> frozenset[str]:
    """Return the content ids to rest at an instant; an opening makes up for as many times as fatigue takes.

    Parameters
    ----------
    shown
        (content id, whether it was opened, UTC microseconds) of one person's impressions.
    """
    often: Counter[str] = Counter()
    for content_id, opened, time in shown:
        if content_id and at - values.fatigue_days * DAY < time <= at:
            often[content_id] += -values.fatigue_shown if opened else 1
    return frozenset(name for name, times in often.items() if times >= values.fatigue_shown)
