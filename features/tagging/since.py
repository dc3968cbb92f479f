"""Since when a tag has held: the rule asked again at every moment at which its answer could have changed.

A rule reads windows and ages of events, so its answer changes only when an event happens, becomes
known or is superseded, when one leaves a window or crosses an age that the rule names, or, for a
ratio that grows with time, somewhere between two such moments. Those moments are walked backward
until every answer has differed once; what lies between two of them is halved down to a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.instants import DAY

Answers = Mapping[str, np.ndarray]
Ask = Callable[[np.ndarray], Answers]
SECOND = 1_000_000
LONG = 1_500.0
"""Days from which an edge is an age of a person, counted from the dates on the patient's record alone."""
_CHUNK = 256
_NEVER = 2**62


def moments(tables: Mapping[str, pa.Table], edges: Iterable[float], first: int, at: int) -> np.ndarray:
    """Return the instants up to ``at``, sorted, at which a rule over these tables may change its answer.

    The least is when anything of the patient became known, the last is ``at``.

    Parameters
    ----------
    tables
        One patient's canonical tables, those that rules read.
    edges
        Lengths of windows and ages that rules name, in days.
    first
        When anything of the patient became known: see `first_known`.
    """
    short = np.array([0, *(round(edge * DAY) for edge in edges if edge < LONG)], np.int64)
    long = np.array([0, *(round(edge * DAY) for edge in edges if edge >= LONG)], np.int64)
    found = [np.array([min(first, at), at], np.int64)]
    for name, table in tables.items():
        for column in table.columns:
            if not pa.types.is_timestamp(column.type):
                continue
            instants = np.unique(column.drop_null().cast(pa.int64()).to_numpy())
            found.append((instants[:, None] + short).ravel())
            if name == "patients":
                found.append((instants[:, None] + long).ravel())
        if "days_supply" in table.column_names:
            found.append((_run_out(table)[:, None] + short).ravel())
    every = np.unique(np.concatenate(found))
    return every[(every >= min(first, at)) & (every <= at)]


def first_known(tables: Mapping[str, pa.Table]) -> int:
    """Return when the hospital first knew anything of the patient whose tables these are."""
    known = [
        pc.min(table["known_at"].cast(pa.int64())).as_py() for table in tables.values() if "known_at" in _of(table)
    ]
    return min((first for first in known if first is not None), default=_NEVER)


def _of(table: pa.Table) -> list[str]:
    names: list[str] = table.column_names
    return names


def _run_out(table: pa.Table) -> np.ndarray:
    """Return when each supply ends."""
    begun = table["time"].cast(pa.int64()).to_pylist()
    lasts = table["days_supply"].to_pylist()
    ends = [time + round(days * DAY) for time, days in zip(begun, lasts) if time is not None and days is not None]
    return np.array(ends, np.int64)


def since(ask: Ask, when: np.ndarray) -> dict[str, int]:
    """Return for each answer since when it has been what it is at the last moment, UTC microseconds.

    Parameters
    ----------
    ask
        From (n,) instants to the (n,) answers of each rule, None where it does not hold.
    when
        Sorted moments, the last of which is now; between two of them an answer changes at most once.

    Notes
    -----
    An answer that never differed is said to stand since the first moment.
    """
    when = np.concatenate(([when[0] - 1], when))
    now = {name: values[0] for name, values in ask(when[-1:]).items()}
    start: dict[str, int] = {}
    before: dict[str, int] = {}
    high = len(when)
    while high > 0 and len(before) < len(now):
        low = max(high - _CHUNK, 0)
        answers = ask(when[low:high])
        for name in now.keys() - before.keys():
            other = np.flatnonzero(np.not_equal(answers[name], now[name]))
            if len(other):
                place = low + int(other[-1])
                before[name], start[name] = int(when[place]), int(when[place + 1])
        high = low
    start |= {name: int(when[1]) for name in now if name not in before}
    return _halved(ask, now, before, start)


def _halved(ask: Ask, now: Mapping[str, object], before: dict[str, int], start: dict[str, int]) -> dict[str, int]:
    """Narrow each (before, start] to a second, where the change does not lie at its very end."""
    open_ = sorted(name for name in before if start[name] - before[name] > 1)
    if open_:
        ends = ask(np.array([start[name] - 1 for name in open_], np.int64))
        for place, name in enumerate(list(open_)):
            if ends[name][place] != now[name]:
                before[name] = start[name] - 1
    open_ = [name for name in open_ if start[name] - before[name] > SECOND]
    while open_:
        middle = np.array([(before[name] + start[name]) // 2 for name in open_], np.int64)
        order = np.argsort(middle, kind="stable")
        answers = ask(middle[order])
        for place, at in enumerate(order):
            name = open_[at]
            side = start if answers[name][place] == now[name] else before
            side[name] = int(middle[at])
        open_ = [name for name in open_ if start[name] - before[name] > SECOND]
    return start
