"""Practice: the windows before an instant as samples that the ranker is fitted to."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from training.affinity.columns import peers_columns
from training.affinity.ranker import Ranker, Sample, fit
from training.affinity.readers import Readership
from training.affinity.values import AffinityValues
from training.affinity.walk import UserDay, Window, user_day

LEAST = 8
"""Windows that a ranker is fitted to at least (METHODS)."""
HIDDEN_PAIRS = 0.2
"""Share of the pairs that a fold takes for what comes next."""


class Practice:
    """The latest windows as samples, oldest forgotten first, bounded in user-days.

    A share of the items is hidden from the peers' columns in each window, and a share of the user-days
    is taken for strangers, so that the ranker knows what to do with both.
    """

    def __init__(self, given: Readership, values: AffinityValues) -> None:
        self.given, self.values = given, values
        self.samples: deque[Sample] = deque(maxlen=values.user_days)
        self.windows = 0
        self._rng = np.random.default_rng(values.seed)
        self._peers = peers_columns(values.half_lives_h)

    def rehearse(self, end: int, every: int) -> None:
        """Take in the windows before an instant; where time gives too few, folds of the pairs stand in."""
        touches, values = self.given.touches, self.values
        start = int(touches.time[0])
        cuts = [end - number * every for number in range(1, values.windows + 1)]
        sizes = [len(touches.relevant(cut, cut + every)) if cut > start else 0 for cut in cuts]
        filled = [cut for cut, size in zip(cuts, sizes, strict=True) if size]
        total = np.cumsum([size for size in sizes if size])
        wanted = max(LEAST, int(np.searchsorted(total, values.user_days)) + 1)
        share = min(1.0, values.user_days / max(int(total[:wanted][-1]), 1)) if len(total) else 1.0
        for number in range(max(LEAST - len(filled), 0)):
            fold = folded(self.given, end, every, values.seed + number, values.hidden)
            window = Window.at(fold, end - every, every, values)
            if window is not None:
                few = min(1.0, values.user_days / LEAST / max(len(window.relevant), 1))
                self.add(window, share=few, given=fold)
        for cut in reversed(filled[:wanted]):
            window = Window.at(self.given, cut, every, values)
            if window is not None:
                self.add(window, share=share)

    def add(
        self,
        window: Window,
        known: Mapping[int, UserDay] | None = None,
        share: float = 1.0,
        given: Readership | None = None,
    ) -> None:
        """Take a window in; ``known`` are user-days already in rows, ``share`` of the users is drawn."""
        self.windows += 1
        hidden = self._rng.random(len(window.stage.born)) < self.values.hidden
        for user in window.relevant:
            if share < 1 and self._rng.random() >= share:
                continue
            stranger = self._rng.random() < self.values.hidden
            day = None if stranger or known is None else known.get(user)
            sample = self._sample(day or user_day(given or self.given, window, user, self.values, stranger), hidden)
            if sample is not None:
                self.samples.append(sample)

    def fit(self) -> Ranker:
        """Fit to the samples at hand."""
        return fit(self.samples, self.values)

    def _sample(self, day: UserDay, hidden: np.ndarray) -> Sample | None:
        opened = day.opened
        if not opened.any():
            return None
        others = np.flatnonzero(~opened)
        kept = min(self.values.negatives, len(others))
        drawn = self._rng.choice(others, kept, replace=False)
        chosen = np.sort(np.concatenate([np.flatnonzero(opened), drawn]))
        rows = day.rows[chosen].astype(np.float32)
        rows[np.ix_(hidden[day.candidates[chosen]], self._peers)] = np.nan
        weight = np.where(opened[chosen], 1.0, len(others) / max(kept, 1))
        return Sample(day.user, rows, opened[chosen], weight)


def folded(given: Readership, end: int, every: int, seed: int, hidden: float) -> Readership:
    """Return what was known before an instant as if it were one step earlier, and a part of it still to come.

    For lakes whose times do not tell pairs apart: a random share of the pairs, and all pairs of a share of
    the items, are put behind the cut ``end - every``.
    """
    touches, rng = given.touches, np.random.default_rng(seed)
    past = touches.before(end)
    pairs, row = np.unique(touches.pair[past], return_inverse=True)
    cold = rng.random(len(touches.items)) < hidden / 2
    later = (rng.random(len(pairs)) < HIDDEN_PAIRS) | cold[pairs % len(touches.items)]
    time = np.where(later[row], end - every, touches.time[past] - every)
    order = np.argsort(time, kind="stable")
    past = past[order]
    return replace(
        given,
        touches=replace(
            touches,
            user=touches.user[past],
            item=touches.item[past],
            time=time[order],
            known=time[order],
            weight=touches.weight[past],
            born=np.where(touches.born < end, touches.born - every, touches.born),
        ),
    )
