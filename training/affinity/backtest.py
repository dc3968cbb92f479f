"""Backtest: day after day rank all items for everyone who comes, fit again along the way, and report."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import date, datetime
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import InputError
from features.instants import DAY, day, iso, micros, parse
from features.params import general, section
from features.progress import track
from training.affinity.baselines import baselines, references
from training.affinity.columns import Sight
from training.affinity.judged import OURS, Judged
from training.affinity.practice import Practice
from training.affinity.ranker import Ranker
from training.affinity.readers import Readership, consenting
from training.affinity.user_days import UserDays
from training.affinity.values import AffinityValues, affinity_values
from training.affinity.walk import UserDay, Window, user_day
from training.evaluate import EvaluationValues

if TYPE_CHECKING:
    from features.lake import Lake

WHERE = "content affinity"
TOP = 50
HEADS = 600
"""User-days on which the head's calibration is judged."""
_UNITS = {"h": DAY // 24, "d": DAY, "w": 7 * DAY}


@dataclass(frozen=True)
class Backtested:
    """Figures of a backtest, and its predictions as columns."""

    report: dict[str, Any]
    predictions: dict[str, np.ndarray]

    def write(self, predictions: Path | None, out: Path | None) -> None:
        """Write the predictions as Parquet (patient_id, at, content_id, rank, score) and the figures as JSON."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        from training.affinity.lists import RANKED

        if predictions is not None:
            ids = {name: self.predictions[name].astype(str) for name in ("patient_id", "content_id")}
            at = pa.array(self.predictions["at"]).cast(RANKED.field("at").type)
            predictions.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({**self.predictions, **ids, "at": at}, schema=RANKED), predictions)
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(self.report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def backtest(lake: Lake, begin: str, until: str, every: str, overrides: tuple[str, ...] = ()) -> Backtested:
    """Rank at the start of every step from one date to another, with what was known strictly before.

    Parameters
    ----------
    begin, until
        First and last day that is ranked for; a bare date begins at midnight in params.timezone, an
        instant with its offset stands as it is.
    every
        Length of a step: ``1d``, ``12h``, ``1w``.

    Raises
    ------
    InputError
        A date or step that cannot be read, no reading before the first step, nothing relevant after it, nobody
        whose consent lets models learn.
    """
    started = time.process_time()
    values, evaluation = affinity_values(overrides), section("evaluation", EvaluationValues, overrides)
    (given, left_out), step = consenting(lake, values), duration(every)
    first, last = begins(begin, "backtest --from"), begins(until, "backtest --to")
    if last < first:
        raise InputError("the last day is before the first", where="backtest --to", remedy="give --from before --to")
    rolled = roll(Practice(given, values), first, last, step, evaluation)
    told: dict[str, Any] = {"task": "content_affinity", "from": iso(first), "to": iso(last), "every": every}
    told["attrition"] = left_out.rows()
    told["touches_dated_ahead"] = given.ahead
    report = told | rolled.report | {"cpu_seconds": round(time.process_time() - started, 1)}
    return Backtested(report, rolled.predictions)


@dataclass(frozen=True)
class Rolled:
    """What came of rolling: figures, predictions, user-days, and the head's probabilities with what happened."""

    report: dict[str, Any]
    predictions: dict[str, np.ndarray]
    user_days: UserDays
    user: np.ndarray
    probability: np.ndarray
    opened: np.ndarray


def roll(practice: Practice, first: int, last: int, step: int, evaluation: EvaluationValues) -> Rolled:
    """Rank at every cut with a ranker fitted to what practice holds by then, from a rehearsal on, and judge.

    Raises
    ------
    InputError
        No reading before the first cut, nothing relevant after it.
    """
    given, values = practice.given, practice.values
    cuts = range(first, last + 1, step)
    touches = given.touches
    begin, end = dated(first), dated(last)
    if not len(touches.before(first)):
        raise InputError(f"nothing was read before the first day, {begin}", where=WHERE, remedy="begin later")
    if not any(touches.relevant(cut, cut + step) for cut in cuts):
        reading = f"{dated(int(touches.time[0]))} to {dated(int(touches.time[-1]))}"
        raise InputError(
            f"from {begin} to {end} nobody opened anything new that was there before; the lake's reading goes from "
            f"{reading}",
            where=WHERE,
            remedy="choose other days (backtest --from, affinity.test_days), or take out what is dated wrongly",
        )
    practice.rehearse(first, step)
    judged = Judged(given.catalogue, given.touches.met, first)
    rank = _Ranking(given, values, judged, first)
    undated = given.undated
    fits = early = timeless = 0
    ranker: Ranker | None = None
    due = first
    for cut in track(cuts, "backtest", total=len(cuts)):
        window = Window.at(given, cut, step, values)
        if window is None:
            continue
        absent = given.touches.early(cut, cut + step)
        early, timeless = early + len(absent), timeless + int(undated[absent].sum())
        if ranker is None or cut >= due:
            ranker, fits, due = practice.fit(), fits + 1, cut + values.retrain_days * DAY
        practice.add(window, rank.window(window, ranker))
    judged.there = int((given.touches.born < last + step).sum())
    report = {
        "user_days_without_relevant": rank.dropped,
        "touches_of_items_not_there": early,
        "of_them_in_contents_without_publication": timeless,
        **judged.report(evaluation, references(values.half_lives_h)),
        "fits": fits,
    }
    return Rolled(report, rank.columns(), rank.user_days(), *rank.outcomes())


class _Ranking:
    """The lists of every window, kept as columns and judged."""

    def __init__(self, given: Readership, values: AffinityValues, judged: Judged, begin: int) -> None:
        self.given, self.values, self.judged, self.dropped = given, values, judged, 0
        touches = given.touches
        known = np.full(len(touches.users), np.iinfo(np.int64).max)
        np.minimum.at(known, touches.user, touches.time)
        self._new = known >= begin
        self._parts: list[tuple[int, int, np.ndarray, np.ndarray]] = []
        self._heads: list[tuple[int, np.ndarray, np.ndarray]] = []
        self._asked: list[tuple[str, int, list[str]]] = []

    def window(self, window: Window, ranker: Ranker) -> dict[int, UserDay]:
        """Rank for everyone active in a window; return the user-days with something relevant."""
        known = {}
        for user in window.active:
            day = user_day(self.given, window, user, self.values)
            score = ranker.score(day.rows) if len(day.candidates) else np.empty(0)
            order = np.argsort(-score, kind="stable")[:TOP]
            ordered, worth = day.candidates[order], score[order]
            self._parts.append((user, window.stage.at, ordered, worth))
            if not len(day.relevant):
                self.dropped += 1
                continue
            known[user] = day
            if len(self._heads) < HEADS:
                self._heads.append((user, ranker.likely(day.rows), day.opened))
            sight = Sight(window.stage, day.person)
            lists = {OURS: ordered, **baselines(sight, day.allowed, self.values.personas, TOP)}
            new = bool(self._new[user])
            self.judged.add(user, day.person, new, day.relevant, lists, window.stage.readers)
            touches = self.given.touches
            self._asked.append((str(touches.users[user]), window.stage.at, touches.items[day.relevant].tolist()))
        return known

    def user_days(self) -> UserDays:
        """Return what our lists were worth, user-day by user-day."""
        worth = np.array(self.judged.worth[OURS])
        return UserDays.of(self._asked, worth[:, 0], worth[:, 1])

    def outcomes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return (user, the head's probability, whether opened) of the candidates of the first user-days."""
        users = np.repeat([user for user, *_ in self._heads], [len(each) for _, each, _ in self._heads])
        probability, opened = (np.concatenate([part[place] for part in self._heads]) for place in (1, 2))
        return users, probability, opened

    def columns(self) -> dict[str, np.ndarray]:
        """Return the predictions as columns."""
        size = np.array([len(places) for _, _, places, _ in self._parts])
        touches = self.given.touches
        rank = np.concatenate([np.arange(1, count + 1) for count in size]) if len(size) else np.empty(0, np.int64)
        return {
            "patient_id": np.repeat(touches.users[[user for user, *_ in self._parts]], size),
            "at": np.repeat(np.array([at for _, at, *_ in self._parts], dtype=np.int64), size),
            "content_id": touches.items[np.concatenate([places for *_, places, _ in self._parts])],
            "rank": rank,
            "score": np.concatenate([worth for *_, worth in self._parts]),
        }


def dated(instant: int) -> str:
    """Write the day of an instant in params.timezone."""
    return day(iso(instant), general().zone)


def duration(text: str) -> int:
    """Read ``1d``, ``12h`` or ``1w`` as microseconds.

    Raises
    ------
    InputError
        Anything else.
    """
    read = re.fullmatch(r"([1-9]\d*)([hdw])", text)
    if not read:
        raise InputError(f"cannot read the step '{text}'", where="backtest --every", remedy="write 1d, 12h or 1w")
    return int(read[1]) * _UNITS[read[2]]


def begins(text: str, where: str = "backtest --from") -> int:
    """Return the first microsecond of a bare date in params.timezone, or the instant that is written.

    Raises
    ------
    InputError
        It cannot be read, or has a clock and no offset.
    """
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return micros(datetime.combine(date.fromisoformat(text), clock(), tzinfo=general().zone))
        except ValueError:
            pass
    try:
        return parse(text)
    except InputError as error:
        raise InputError(f"{error.what} '{text}'", where=where, remedy=error.remedy) from None
