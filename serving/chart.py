"""One patient's events, made ready once for whatever is asked of them: consents, vector, and what stands behind it.

What is ready can be packed and kept (`serving.shelf`): it is the events themselves in the order in
which the sweep walks them, so a window never goes stale in it.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import orjson
import pyarrow as pa

from features.behind import Behind
from features.canonical import canonical
from features.instants import iso
from features.rows import Rows
from features.sweep import ALWAYS, UNWATCHED
from features.watch import Watch
from serving.consent import latest, plain
from serving.walk import HEAD, Walk

Origin = dict[str, Any]
_LONGS, _REALS, _SHORTS, _FLAGS = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.bool_)
_KINDS: tuple[np.dtype[Any], ...] = (_LONGS, _REALS, _SHORTS, _FLAGS)
_LENGTHS = 7
"""Numbers at the beginning: lengths of the texts and of the blocks, and how many watched intervals there are."""
_NONE = np.empty(0, np.int64)
_WALKS: WeakKeyDictionary[Behind, Walk] = WeakKeyDictionary()
_ASIDE = ("consents", "patients")
"""Tables whose rows are read as they are, for consent."""


class Chart:
    """One patient's events, read from the bytes that `packed` gave.

    Those hold the sizes of the parts, texts as JSON, and numbers by kind: of each table of the plan the
    times, the instants known and those replaced, of each table the number of different ids of a
    column, then who watched; the values; the signatures; what passes.

    Parameters
    ----------
    behind
        The plan of what will be computed from them, and what finds the events behind it.
    packed
        As `packed` returned it for the same plan.
    """

    def __init__(self, behind: Behind, packed: bytes) -> None:
        self._behind, self._plan, self._packed = behind, behind.plan, packed
        walk = _WALKS.get(behind)
        self._walk = _WALKS.setdefault(behind, Walk(behind.plan)) if walk is None else walk
        tables = len(self._plan.programs)
        head = np.frombuffer(packed, _LONGS, _LENGTHS + HEAD * tables)
        aside, told, *lengths, self._seen = head[:_LENGTHS].tolist()
        self._sizes = head[_LENGTHS:]
        start = head.nbytes
        self._texts = (start, start + aside, start + aside + told)
        start += aside + told + (-(aside + told) % 8)
        blocks = []
        for kind, length in zip(_KINDS, lengths, strict=True):
            blocks.append(np.frombuffer(packed, kind, length, start))
            start += length * kind.itemsize
        self._blocks = tuple(blocks)

    @classmethod
    def of(cls, behind: Behind, tables: Mapping[str, pa.Table], patient_id: str) -> Chart:
        """Make ready a patient's canonical tables."""
        plan = behind.plan
        ready = plan.ready(tables, pa.array([patient_id], pa.string()))
        told = {}
        for name, found in ready.rows.items():
            if len(found.time):
                named = canonical(tables[name], name, ("event_id", "source"))
                told[name] = [named[each].take(found.origin).to_pylist() for each in ("event_id", "source")]
        aside = {name: plain(tables[name]) for name in _ASIDE if name in tables}
        rows, seen = [ready.rows[each.table] for each in plan.programs], _Seen.of(ready.watch)
        texts = [orjson.dumps([aside, seen.said, seen.places]), orjson.dumps(told)]
        longs = [part for each in rows for part in (each.time, each.known, each.until)]
        longs += [each.ids for each in rows] + [seen.whose, seen.begin, seen.end]
        blocks = (
            np.concatenate([part.astype(_LONGS, copy=False) for part in longs]),
            np.concatenate([each.values.ravel() for each in rows]),
            np.concatenate([each.signature for each in rows]).astype(_SHORTS, copy=False),
            np.concatenate([each.passes.ravel() for each in rows]),
        )
        lengths = [*map(len, texts), *map(len, blocks), len(seen.whose)]
        sizes = [size for each in rows for size in (len(each.time), len(each.passes))]
        pad = b" " * (-sum(map(len, texts)) % 8)
        head = np.array([*lengths, *sizes], _LONGS)
        return cls(behind, b"".join([head.tobytes(), *texts, pad, *(block.tobytes() for block in blocks)]))

    def packed(self) -> bytes:
        """Return it as bytes, to be kept."""
        return self._packed

    @functools.cached_property
    def _said(self) -> tuple[Mapping[str, list[dict[str, Any]]], _Seen]:
        """Return the rows of ``consents`` and ``patients`` as plain values, and who watched."""
        aside, said, places = orjson.loads(self._packed[self._texts[0] : self._texts[1]])
        longs, size = self._blocks[0], self._seen
        begins = len(longs) - 3 * size
        return aside, _Seen(said, places, *(longs[begins + k * size : begins + (k + 1) * size] for k in range(3)))

    @functools.cached_property
    def _told(self) -> Mapping[str, Sequence[Sequence[str | None]]]:
        """Return table -> (event_id, source) of each of its rows."""
        found: dict[str, list[list[str | None]]] = orjson.loads(self._packed[self._texts[1] : self._texts[2]])
        return found

    @functools.cached_property
    def _rows(self) -> dict[str, Rows]:
        longs, reals, shorts, flags = self._blocks
        rows, a, b, c, d = {}, 0, 0, 0, 0
        for place, program in enumerate(self._plan.programs):
            n, signatures = self._sizes[HEAD * place : HEAD * (place + 1)].tolist()
            selections, columns = self._walk.shapes[place]
            rows[program.table] = Rows(
                starts=np.array([0, n]),
                time=longs[a : a + n],
                known=longs[a + n : a + 2 * n],
                until=longs[a + 2 * n : a + 3 * n],
                signature=shorts[c : c + n],
                values=reals[b : b + columns * n].reshape(columns, n),
                origin=_NONE,
                passes=flags[d : d + signatures * selections].reshape(signatures, selections),
                ids=_NONE,
            )
            a, b, c, d = a + 3 * n, b + columns * n, c + n, d + signatures * selections
        return rows

    def consents(self, now: int) -> list[dict[str, Any]]:
        """Return the patient's consents as known now."""
        return latest(self._said[0].get("consents", ()), now)

    def birth(self, now: int) -> int | None:
        """Return the birth date on record as known now, UTC microseconds."""
        known = (row.get("birth_date") for row in latest(self._said[0].get("patients", ()), now))
        return next((born for born in known if born is not None), None)

    def vector(self, at: int, wanted: Container[str] | None = None) -> np.ndarray:
        """Return the (features,) vector of the plan at UTC microseconds; null is NaN.

        Parameters
        ----------
        wanted
            Features that are read, those that feed them included; a derived one that is not among
            them stays null. None: all.
        """
        return self._walk.vector(at, self._watched(at), self._sizes, self._blocks, wanted)

    def _watched(self, at: int) -> np.ndarray:
        """Return since when each table was watched; for ``patients`` a row that is visible is enough."""
        _, seen = self._said
        since = np.full(len(self._plan.programs), ALWAYS, np.int64)
        for place, program in enumerate(self._plan.programs if seen.said else ()):
            if program.table == "patients":
                own = self._rows["patients"]
                visible = (own.time <= at) & (own.known <= at) & (at < own.until)
                since[place] = ALWAYS if visible.any() else UNWATCHED
            else:
                since[place] = seen.since_when(program.table, at)
        return since

    def origins(self, at: int, names: Sequence[str]) -> dict[str, Origin]:
        """Return the event behind each value.

        For an extreme, a first or a last value it is the event that holds it, for everything else the
        latest event in the window; of a derived feature the latest of its inputs' events.

        Parameters
        ----------
        at
            The landmark, UTC microseconds.
        names
            Features asked about; those that the plan lacks are left out.

        Returns
        -------
        dict
            Feature -> event_id, time, known_at, source and n, the number of events in the window. A
            feature that no event stands behind is left out.
        """
        wanted = set(names)
        for _, feature, _ in reversed(self._plan.derived):
            if feature.name in wanted:
                wanted.update(feature.inputs)
        found: dict[str, Origin] = {}
        events: dict[tuple[str, int], Origin] = {}
        for name, (table, place, count) in self._behind.places(self._rows, at).items():
            if name in wanted:
                event = events.get((table, place))
                if event is None:
                    rows, (ids, sources) = self._rows[table], self._told[table]
                    times = {"time": iso(int(rows.time[place])), "known_at": iso(int(rows.known[place]))}
                    event = events[table, place] = {"event_id": ids[place], **times, "source": sources[place]}
                found[name] = {**event, "n": count}
        for _, feature, _ in self._plan.derived:
            inputs = [found[each] for each in feature.inputs if each in found]
            if feature.name in wanted and inputs:
                last = max(inputs, key=lambda origin: (origin["time"], origin["event_id"]))
                found[feature.name] = last | {"n": sum(origin["n"] for origin in inputs)}
        return {name: found[name] for name in names if name in found}


class _Seen:
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

    def since_when(self, table: str, at: int) -> int:
        """Return since when a table had been watched: the intervals, sorted by start, that touch are one."""
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
