"""Practice: the windows before an instant as samples that the ranker is fitted to."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from training.affinity.columns import peers_columns
from training.affinity.ranker import Ranker, Sample, fit
from training.affinity.readers import Readership
from training.affinity.values import AffinityValues
from training.affinity.walk import UserDay, Window, user_day
from training.split import draw

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
        self.latest: deque[Sample] = deque(maxlen=max(values.user_days // 4, 1))
        self.windows = 0
        self._peers = peers_columns(values.half_lives_h)

    def rehearse(self, end: int, every: int) -> None:
        """Take in the windows before an instant, as many as are wanted; where time gives too few, folds of the pairs.

        Where windows side by side hold too few user-days, they begin more often and overlap.
        """
        values = self.values
        for times in (1, 2, 4, LEAST):
            filled, total = self._filled(end, every, max(every // times, 1))
            if len(filled) >= LEAST and (len(filled) == values.windows or total[-1] >= values.user_days):
                break
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

    def _filled(self, end: int, every: int, stride: int) -> tuple[list[int], np.ndarray]:
        """Return the cuts, latest first, whose windows end by an instant and hold anything; their sizes summed up."""
        touches, start = self.given.touches, int(self.given.touches.time[0])
        cuts = range(end - every, max(end - every - self.values.windows * stride, start), -stride)
        sizes = [len(touches.relevant(cut, cut + every)) for cut in cuts]
        filled = [cut for cut, size in zip(cuts, sizes, strict=True) if size]
        return filled, np.cumsum([size for size in sizes if size])

    def add(
        self,
        window: Window,
        known: Mapping[int, UserDay] | None = None,
        share: float = 1.0,
        given: Readership | None = None,
    ) -> None:
        """Take a window in; ``known`` are user-days already in rows, ``share`` of the users is drawn."""
        self.windows += 1
        salt = f"{self.values.seed}-{window.stage.at}"
        touches = self.given.touches
        hidden = draw(touches.items, f"hidden-{salt}") < self.values.hidden
        names = touches.users[list(window.relevant)]
        kept, strange = draw(names, f"kept-{salt}") < share, draw(names, f"stranger-{salt}") < self.values.strangers
        for user, name, wanted, stranger in zip(window.relevant, names, kept, strange, strict=True):
            if not wanted:
                continue
            day = None if stranger or known is None else known.get(user)
            day = day or user_day(given or self.given, window, user, self.values, bool(stranger))
            whole = self._whole(day, str(name), hidden, window)
            if whole.opened.any():
                self.latest.append(whole)
                self.samples.append(self._drawn(whole, np.random.default_rng(hashed(f"{salt}-{name}"))))

    def fit(self) -> Ranker:
        """Fit to the samples at hand."""
        return fit(self.samples, self.latest, self.values)

    def _whole(self, day: UserDay, name: str, hidden: np.ndarray, window: Window) -> Sample:
        """Return every candidate of a user-day, the peers' columns of hidden items emptied."""
        rows = day.rows.astype(np.float32)
        rows[np.ix_(hidden[day.candidates], self._peers)] = np.nan
        return Sample(name, rows, day.opened, np.ones(len(rows)), day.pretended, window.stage.at, window.end)

    def _drawn(self, whole: Sample, rng: np.random.Generator) -> Sample:
        """Return the sample with what was opened and a draw of the rest."""
        others = np.flatnonzero(~whole.opened)
        kept = min(self.values.negatives, len(others))
        drawn = rng.choice(others, kept, replace=False)
        chosen = np.sort(np.concatenate([np.flatnonzero(whole.opened), drawn]))
        opened = whole.opened[chosen]
        weight = np.where(opened, 1.0, len(others) / max(kept, 1))
        return replace(whole, rows=whole.rows[chosen], opened=opened, weight=weight)


def hashed(text: str) -> int:
    """Return a seed of a text: the same whoever else is in the lake."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def folded(given: Readership, end: int, every: int, seed: int, hidden: float) -> Readership:
    """Return what was known before an instant as if it were one step earlier, and a part of it still to come.

    For lakes whose times do not tell pairs apart: a random share of the pairs, and all pairs of a share of
    the items, are put behind the cut ``end - every``. Items that nobody has touched by the end are left out, since
    here nobody can; the items taken for new are as many and of the ages that those are.
    """
    touches, rng = given.touches, np.random.default_rng(seed)
    past = touches.before(end)
    pairs, row = np.unique(touches.pair[past], return_inverse=True)
    touched = np.bincount(touches.item[past], minlength=len(touches.items)) > 0
    untouched = np.flatnonzero(~touched & (touches.born < end))
    share = max(hidden / 2, len(untouched) / max(int((touches.born < end).sum()), 1))
    cold = touched & (rng.random(len(touches.items)) < share)
    born = np.where(touches.born < end, touches.born - every, touches.born)
    if len(untouched):
        born[cold] = rng.choice(touches.born[untouched], int(cold.sum())) - every
        born[untouched] = np.iinfo(np.int64).max
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
            born=born,
        ),
    )
