"""One patient's events, made ready once for whatever is asked of them: consents, vector, and what stands behind it.

What is ready can be packed and kept (`serving.shelf`): it is the events themselves in the order in
which the sweep walks them, so a window never goes stale in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from features.behind import Behind
from features.canonical import canonical
from features.instants import iso
from features.plan import Ready
from features.rows import Rows
from features.sweep import ALWAYS, UNWATCHED
from features.watch import Watch
from serving.consent import latest, plain

Origin = dict[str, Any]
_LONGS, _REALS, _SHORTS, _FLAGS = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.bool_)
_KINDS: tuple[np.dtype[Any], ...] = (_LONGS, _REALS, _SHORTS, _FLAGS)
_ONE = np.zeros(1, np.int64)
_ASIDE = ("consents", "patients")
"""Tables whose rows are read as they are, for consent."""


class Chart:
    """One patient's events.

    Parameters
    ----------
    behind
        The plan of what will be computed from them, and what finds the events behind it.
    rows, watch
        The patient's rows for each table of the plan, and who watched them.
    told
        Table -> (event_id, source) of each of its rows.
    aside
        The rows of ``consents`` and ``patients`` as plain values; instants are UTC microseconds.
    """

    def __init__(
        self,
        behind: Behind,
        rows: Mapping[str, Rows],
        watch: Watch,
        told: Mapping[str, Sequence[Sequence[str | None]]],
        aside: Mapping[str, list[dict[str, Any]]],
    ) -> None:
        self._behind, self._plan, self._ready = behind, behind.plan, Ready(rows, watch)
        self._told, self._aside = told, aside

    @classmethod
    def of(cls, behind: Behind, tables: Mapping[str, pa.Table], patient_id: str) -> Chart:
        """Make ready a patient's canonical tables."""
        ready = behind.plan.ready(tables, pa.array([patient_id], pa.string()))
        told = {}
        for name, rows in ready.rows.items():
            if len(rows.time):
                named = canonical(tables[name], name, ("event_id", "source"))
                told[name] = [named[each].take(rows.origin).to_pylist() for each in ("event_id", "source")]
        aside = {name: plain(tables[name]) for name in _ASIDE if name in tables}
        return cls(behind, ready.rows, ready.watch, told, aside)

    def consents(self, now: int) -> list[dict[str, Any]]:
        """Return the patient's consents as known now."""
        return latest(self._aside.get("consents", ()), now)

    def birth(self, now: int) -> int | None:
        """Return the birth date on record as known now, UTC microseconds."""
        known = (row.get("birth_date") for row in latest(self._aside.get("patients", ()), now))
        return next((born for born in known if born is not None), None)

    def vector(self, at: int) -> np.ndarray:
        """Return the (features,) vector of the plan at UTC microseconds; null is NaN."""
        return self._plan.swept(self._ready, _ONE, np.array([at], np.int64))[0]

    def origins(self, at: int, names: Sequence[str]) -> dict[str, Origin]:
        """Return the event behind each value: see :meth:`features.asked.Asked.provenance`."""
        wanted = set(names)
        for _, feature, _ in reversed(self._plan.derived):
            if feature.name in wanted:
                wanted.update(feature.inputs)
        found: dict[str, Origin] = {}
        events: dict[tuple[str, int], Origin] = {}
        for name, (table, place, count) in self._behind.places(self._ready.rows, at).items():
            if name in wanted:
                event = events.get((table, place))
                if event is None:
                    rows, (ids, sources) = self._ready.rows[table], self._told[table]
                    times = {"time": iso(int(rows.time[place])), "known_at": iso(int(rows.known[place]))}
                    event = events[table, place] = {"event_id": ids[place], **times, "source": sources[place]}
                found[name] = {**event, "n": count}
        for _, feature, _ in self._plan.derived:
            inputs = [found[each] for each in feature.inputs if each in found]
            if feature.name in wanted and inputs:
                last = max(inputs, key=lambda origin: (origin["time"], origin["event_id"]))
                found[feature.name] = last | {"n": sum(origin["n"] for origin in inputs)}
        return {name: found[name] for name in names if name in found}

    def packed(self) -> bytes:
        """Return it as bytes: sizes and texts as JSON, then numbers by kind."""
        rows, watch = [self._ready.rows[each.table] for each in self._plan.programs], self._ready.watch
        seen = _Seen.of(watch)
        sizes = [[len(each.time), *each.passes.shape, *each.values.shape] for each in rows]
        head = orjson.dumps([sizes, self._told, self._aside, seen.said, seen.places])
        longs = [part for each in rows for part in (each.starts, each.time, each.known, each.until, each.origin)]
        longs += [each.ids for each in rows] + [seen.whose, seen.begin, seen.end]
        blocks = (
            np.concatenate([part.astype(_LONGS, copy=False) for part in longs]),
            np.concatenate([each.values.ravel() for each in rows]),
            np.concatenate([each.signature for each in rows]).astype(_SHORTS, copy=False),
            np.concatenate([each.passes.ravel() for each in rows]),
        )
        lengths = np.array([len(head), *(len(block) for block in blocks), len(seen.whose)], _LONGS)
        pad = b" " * (-len(head) % 8)
        return b"".join([lengths.tobytes(), head, pad, *(block.tobytes() for block in blocks)])

    @classmethod
    def unpacked(cls, behind: Behind, packed: bytes) -> Chart:
        """Read what `packed` wrote for the same plan."""
        size, *lengths, seen = np.frombuffer(packed, _LONGS, 6).tolist()
        head_ends = 48 + size
        sizes, told, aside, said, places = orjson.loads(packed[48:head_ends])
        start, blocks = head_ends + (-size % 8), []
        for kind, length in zip(_KINDS, lengths, strict=True):
            blocks.append(np.frombuffer(packed, kind, length, start))
            start += length * kind.itemsize
        longs, reals, shorts, flags = blocks
        rows, a, b, c, d = {}, 0, 0, 0, 0
        ids = sum(2 + 4 * n for n, *_ in sizes)
        for program, (n, signatures, selections, columns, _) in zip(behind.plan.programs, sizes, strict=True):
            rows[program.table] = Rows(
                starts=longs[a : a + 2],
                time=longs[a + 2 : a + 2 + n],
                known=longs[a + 2 + n : a + 2 + 2 * n],
                until=longs[a + 2 + 2 * n : a + 2 + 3 * n],
                origin=longs[a + 2 + 3 * n : a + 2 + 4 * n],
                signature=shorts[c : c + n],
                values=reals[b : b + columns * n].reshape(columns, n),
                passes=flags[d : d + signatures * selections].reshape(signatures, selections),
                ids=longs[ids : ids + columns + 1],
            )
            a, b, c, d, ids = a + 2 + 4 * n, b + columns * n, c + n, d + signatures * selections, ids + columns + 1
        watch = _Seen(said, places, *(longs[ids + k * seen : ids + (k + 1) * seen] for k in range(3)))
        return cls(behind, rows, watch, told, aside)


class _Seen(Watch):
    """Watched intervals of one patient that were read before."""

    def __init__(
        self, said: bool, places: dict[str, int], whose: np.ndarray, begin: np.ndarray, end: np.ndarray
    ) -> None:
        self.said, self.places, self.whose, self.begin, self.end = said, places, whose, begin, end
        names = {place: name for name, place in places.items()}
        self._spans: dict[str, list[tuple[int, int]]] = {}
        for place, start, stop in zip(whose.tolist(), begin.tolist(), end.tolist(), strict=True):
            self._spans.setdefault(names[place], []).append((start, stop))

    @classmethod
    def of(cls, watch: Watch) -> _Seen:
        if not watch.said:
            return cls(False, {}, *(np.empty(0, np.int64) for _ in range(3)))
        return cls(True, watch._tables, watch._whose, watch._start, watch._end)

    def since(self, table: str, which: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Return, for the one patient and landmark, since when a table had been watched."""
        return np.array([self._since(table, int(at[0])) if self.said else ALWAYS])

    def _since(self, table: str, at: int) -> int:
        """Merge the intervals, sorted by start; those that touch are one."""
        begin = stop = None
        for start, end in self._spans.get(table, ()):
            if stop is None or start - 1 > stop:
                if begin is not None and stop is not None and stop >= at:
                    return begin
                if start > at:
                    break
                begin, stop = start, end
            else:
                stop = max(stop, end)
        return begin if begin is not None and stop is not None and stop >= at else UNWATCHED
