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
from serving.consent import latest, plain
from serving.walk import HEAD, Walk

Origin = dict[str, Any]
_LONGS, _REALS, _SHORTS, _FLAGS = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.int32), np.dtype(np.bool_)
_KINDS: tuple[np.dtype[Any], ...] = (_LONGS, _REALS, _SHORTS, _FLAGS)
_LENGTHS = 6
"""Numbers at the beginning: lengths of the texts and of the blocks."""
_NONE = np.empty(0, np.int64)
_WALKS: WeakKeyDictionary[Behind, Walk] = WeakKeyDictionary()
_ASIDE = ("consents", "patients")
"""Tables whose rows are read as they are, for consent."""


class Chart:
    """One patient's events, read from the bytes that `packed` gave.

    Those hold the lengths of the parts, of each table what stands where (`serving.walk`), texts as JSON, and
    numbers by kind: instants, ids and who watched; the values; the signatures; what passes.

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
        aside, told, *lengths = head[:_LENGTHS].tolist()
        self._layout = head[_LENGTHS:]
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
        texts = [orjson.dumps(aside), orjson.dumps(told)]
        blocks: list[list[np.ndarray]] = [[] for _ in _KINDS]

        def begins(kind: np.dtype[Any], *parts: np.ndarray) -> int:
            """Lay parts down, and return where they begin."""
            own = blocks[_KINDS.index(kind)]
            begin = sum(map(len, own))
            own += [np.asarray(part, kind).ravel() for part in parts]
            return begin

        layout = []
        for program in plan.programs:
            each, spans = ready.rows[program.table], ready.watch.spans(program.table)
            layout += [
                *(len(each.time), *each.passes.shape, len(each.values)),
                begins(_LONGS, each.time, each.known, each.until),
                begins(_REALS, each.values),
                begins(_SHORTS, each.signature),
                begins(_FLAGS, each.passes),
                begins(_LONGS, each.ids),
                begins(_LONGS, *spans),
                len(spans[0]) if ready.watch.said else -1,
            ]
        whole = [np.concatenate([np.empty(0, kind), *own]) for kind, own in zip(_KINDS, blocks, strict=True)]
        head = np.array([*map(len, texts), *map(len, whole), *layout], _LONGS)
        pad = b" " * (-sum(map(len, texts)) % 8)
        return cls(behind, b"".join([head.tobytes(), *texts, pad, *(block.tobytes() for block in whole)]))

    def packed(self) -> bytes:
        """Return it as bytes, to be kept."""
        return self._packed

    @functools.cached_property
    def _said(self) -> Mapping[str, list[dict[str, Any]]]:
        """Return the rows of ``consents`` and ``patients`` as plain values."""
        found: dict[str, list[dict[str, Any]]] = orjson.loads(self._packed[self._texts[0] : self._texts[1]])
        return found

    @functools.cached_property
    def _told(self) -> Mapping[str, Sequence[Sequence[str | None]]]:
        """Return table -> (event_id, source) of each of its rows."""
        found: dict[str, list[list[str | None]]] = orjson.loads(self._packed[self._texts[1] : self._texts[2]])
        return found

    @functools.cached_property
    def _rows(self) -> dict[str, Rows]:
        longs, reals, shorts, flags = self._blocks
        rows = {}
        for program, own in zip(self._plan.programs, self._layout.reshape(-1, HEAD).tolist(), strict=True):
            n, signatures, selections, columns, a, b, c, d, *_ = own
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
        return rows

    def consents(self, now: int) -> list[dict[str, Any]]:
        """Return the patient's consents as known now."""
        return latest(self._said.get("consents", ()), now)

    def birth(self, now: int) -> int | None:
        """Return the birth date on record as known now, UTC microseconds."""
        known = (row.get("birth_date") for row in latest(self._said.get("patients", ()), now))
        return next((born for born in known if born is not None), None)

    def vector(self, at: int, wanted: Container[str] | None = None) -> np.ndarray:
        """Return the (features,) vector of the plan at UTC microseconds; null is NaN.

        Parameters
        ----------
        wanted
            Features that are read, those that feed them included; a derived one that is not among
            them stays null. None: all.
        """
        return self._walk.vector(at, self._layout, self._blocks, wanted)

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
