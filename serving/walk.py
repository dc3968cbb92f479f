# mypy: disable-error-code="no-untyped-def,call-arg"
"""One patient's whole vector in one call: every table of a plan, swept off the blocks that a chart keeps."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import numpy as np
from numba import njit, types

from features.arrange import INTS, LONGS
from features.coverage import cover
from features.plan import Plan
from features.sweep import ALWAYS, sweep
from features.watch import seen, watched

_REALS = types.Array(types.float64, 1, "C", readonly=True)
_FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
ROWS, SIGNATURES, SELECTIONS, COLUMNS, TIME, VALUES, SIGNATURE, PASSES, IDS, SPANS, WATCHED = range(11)
"""What a chart says of each table: how many of each, and where in the chart's blocks its parts begin.

From TIME on lie, each ROWS long, the times, the instants known and those replaced; from SPANS on the starts
and then the ends of the WATCHED intervals in which it was watched (-1: nobody ever says who watched).
"""
HEAD = 11


@njit(
    types.void(
        types.int64, LONGS, LONGS, _REALS, INTS, _FLAGS,
        types.int64, LONGS, LONGS, LONGS, INTS, INTS, LONGS, LONGS, LONGS, INTS, INTS, INTS, INTS, LONGS, INTS,
        LONGS, LONGS, INTS, _REALS, LONGS, INTS,
        types.Array(types.float64, 2, "C"),
    ),
    cache=True,
    nogil=True,
)  # fmt: skip
def _walk(
    at, layout, longs, reals, shorts, flags,
    patients, walk_from, walk_shapes, forward, keeps, column, reach, selection, edges, features_from, how, cell, part,
    needs, target,
    cover_from, cover_selection, cover_column, supply, window, cover_target,
    out,
):  # fmt: skip
    """Fill ``out`` (1, features) at the landmark ``at``.

    Parameters
    ----------
    layout
        (tables x HEAD,) what the chart says of each table.
    longs, reals, shorts, flags
        The chart's blocks.
    patients
        Which table is that of patients, watched where a row is visible; -1: none.
    walk_from, walk_shapes, forward
        (tables + 1,) where each table's walks begin; (3 x walks,) cells, windows and features of
        each; whether it looks ahead.
    keeps ... target
        The arrays of `features.program.Walk`, one walk after the other.
    cover_from ... cover_target
        (tables + 1,) where each table's coverages begin, and the arrays of `features.program.Cover`.
    """
    marks, since, low, high = np.empty(1, np.int64), np.empty(1, np.int64), np.zeros(1, np.int64), np.empty(1, np.int64)
    marks[0] = at
    cells_at = windows_at = starts_at = features_at = 0
    for table in range(len(layout) // HEAD):
        own = layout[HEAD * table : HEAD * (table + 1)]
        n, signatures, selections, columns, ids = own[ROWS], own[SIGNATURES], own[SELECTIONS], own[COLUMNS], own[IDS]
        a, b, c, d, spans = own[TIME], own[VALUES], own[SIGNATURE], own[PASSES], own[SPANS]
        time, known, until = longs[a : a + n], longs[a + n : a + 2 * n], longs[a + 2 * n : a + 3 * n]
        signature, values = shorts[c : c + n], reals[b : b + columns * n].reshape(columns, n)
        passes = flags[d : d + signatures * selections].reshape(signatures, selections)
        if own[WATCHED] < 0:
            since[0] = ALWAYS
        elif table == patients:
            high[0] = n
            seen(low, high, marks, time, known, until, since)
        else:
            high[0] = own[WATCHED]
            begin = longs[spans : spans + own[WATCHED]]
            watched(low, high, begin, longs[spans + own[WATCHED] : spans + 2 * own[WATCHED]], marks, since)
        high[0] = n
        for walk in range(walk_from[table], walk_from[table + 1]):
            cells, windows, features = walk_shapes[3 * walk], walk_shapes[3 * walk + 1], walk_shapes[3 * walk + 2]
            mine = slice(cells_at, cells_at + cells)
            chosen, stamped = selection[mine], column[mine]
            cells_of, found = np.empty(signatures + 1, np.int32), np.empty(signatures * cells, np.int32)
            size = 0
            for one in range(signatures):
                cells_of[one] = size
                for each in range(cells):
                    if passes[one, chosen[each]]:
                        found[size] = each
                        size += 1
            cells_of[signatures] = size
            stamps, total = np.empty(cells, np.int64), np.int64(0)
            for each in range(cells):
                stamps[each] = total
                total += longs[ids + (stamped[each] if stamped[each] >= 0 else columns)]
            read = slice(features_at, features_at + features)
            sweep(
                low, high, marks, since, time, known, until, signature, values, cells_of, found[:size],
                keeps[mine], stamped, reach[mine], stamps, total,
                edges[windows_at : windows_at + windows], features_from[starts_at : starts_at + windows + 1],
                how[read], cell[read], part[read], needs[read], target[read], forward[walk] == 1, out,
            )  # fmt: skip
            cells_at += cells
            windows_at += windows
            starts_at += windows + 1
            features_at += features
        count = cover_from[table + 1] - cover_from[table]
        if count:
            covers = slice(cover_from[table], cover_from[table + 1])
            supplying = np.empty((count, signatures), np.bool_)
            for each in range(count):
                for one in range(signatures):
                    supplying[each, one] = passes[one, cover_selection[covers][each]]
            cover(
                low, high, marks, since, time, known, until, signature, values,
                supplying, cover_column[covers], supply[covers], window[covers], cover_target[covers], out,
            )  # fmt: skip


class Walk:
    """A plan made ready to be walked for one patient.

    Parameters
    ----------
    plan
        What is computed.
    """

    def __init__(self, plan: Plan) -> None:
        walks = [each for program in plan.programs for each in program.walks]
        covers = [program.cover for program in plan.programs]
        self.plan = plan
        self._parts = (
            next((place for place, each in enumerate(plan.programs) if each.table == "patients"), -1),
            np.cumsum([0, *(len(each.walks) for each in plan.programs)]),
            _flat([np.array([len(each.keeps), len(each.edges), len(each.how)]) for each in walks], np.int64),
            np.array([each.forward for each in walks], np.int64),
            *(
                _flat([getattr(each, name) for each in walks], kind)
                for name, kind in (
                    *(("keeps", np.int32), ("column", np.int32), ("reach", np.int64), ("selection", np.int64)),
                    *(("edges", np.int64), ("features_from", np.int32), ("how", np.int32), ("cell", np.int32)),
                    *(("part", np.int32), ("needs", np.int64), ("target", np.int32)),
                )
            ),
            np.cumsum([0, *(len(each.window) if each else 0 for each in covers)]),
            *(
                _flat([getattr(each, name) for each in covers if each], kind)
                for name, kind in (
                    *(("selection", np.int64), ("column", np.int32), ("supply", np.float64)),
                    *(("window", np.int64), ("target", np.int32)),
                )
            ),
        )

    def vector(
        self,
        at: int,
        layout: np.ndarray,
        blocks: Sequence[np.ndarray],
        wanted: Container[str] | None = None,
    ) -> np.ndarray:
        """Return the (features,) vector of the plan at a landmark; of derived features those wanted.

        Parameters
        ----------
        layout, blocks
            What the chart says of each table, and its blocks of numbers.
        wanted
            Features that are read; a derived one that is not among them stays null. None: all.
        """
        out = np.full((1, self.plan.width), np.nan)
        _walk(at, layout, *blocks, *self._parts, out)
        row: np.ndarray = out[0]
        with np.errstate(all="ignore"):
            for place, feature, inputs in self.plan.derived:
                if wanted is None or feature.name in wanted:
                    given = (row[each : each + 1].copy() for each in inputs)
                    row[place] = feature.values(*given)[0]
        return row[: len(self.plan.spec.names)]


def _flat(parts: Sequence[Any], kind: Any) -> np.ndarray:
    return np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)
