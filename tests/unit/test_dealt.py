"""A table dealt into buckets comes back as it was: every kind of column, nulls, many words, several batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from features import dealt
from features.dealt import Dealing, Dealt
from features.roster import Roster
from features.schema import ARROW

PATIENTS = pa.array([f"p{each}" for each in range(7)])
EDGES = np.array([0, 3, 5, 7])


def batch(seed: int, listed: bool = False) -> pa.Table:
    """Draw interactions of known patients, unknown ones and nobody, with gaps in every column that may have them."""
    drawn, n = np.random.default_rng(seed), 40
    gaps = drawn.random((5, n)) < 0.3
    who = pa.array([f"p{each}" for each in drawn.integers(0, 9, n)], mask=gaps[0] & gaps[1])
    topics = [[["a", "b"], ["c"], [], None][each] for each in drawn.integers(0, 4, n)]
    return pa.table(
        {
            "patient_id": who.dictionary_encode() if listed else who,
            "time": pa.array(drawn.integers(0, 10**15, n), ARROW["instant"]),
            "known_at": pa.array(drawn.integers(0, 10**15, n), ARROW["instant"], mask=gaps[1]),
            "event_id": [f"é{each}" * (1 + each % 3) for each in drawn.permutation(n)],
            "version": np.ones(n, np.int64),
            "void": drawn.random(n) < 0.5,
            "action": pa.array([f"w{each % 5}" for each in range(n)], mask=gaps[2]).dictionary_encode(),
            "channel": ["app"] * n,
            "list_id": pa.nulls(n, pa.string())
            if listed
            else pa.array([f"l{each}" for each in range(n)], mask=gaps[3]),
            "dwell_s": pa.array(drawn.random(n), mask=gaps[4]),
            "content_topics": pa.array(topics, ARROW["strings"]),
        }
    )


def plain(rows: pa.Table) -> list[dict[str, object]]:
    """Return rows; no topics, topics that are null and an empty topic are one."""
    return [
        {**row, "content_topics": [each for each in row["content_topics"] or () if each]} for row in rows.to_pylist()
    ]


@pytest.mark.parametrize("many", [100_000, 12])
def test_buckets_hold_the_rows_of_their_patients_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: int
) -> None:
    monkeypatch.setattr(dealt, "_MANY", many)
    batches = [batch(1), batch(2, listed=True), batch(3)]
    names: Sequence[str] = batches[0].column_names
    Dealing(tmp_path / "interactions", "interactions", names).deal(batches, Roster(PATIENTS), EDGES)
    parts = [each.set_column(0, "patient_id", each["patient_id"].cast(pa.string())) for each in batches]
    whole = pa.concat_tables(parts, promote_options="permissive")
    table = Dealt(tmp_path / "interactions")
    for part in range(3):
        first, last = EDGES[part], EDGES[part + 1]
        own = PATIENTS.slice(first, last - first)
        wanted = whole.filter(pc.is_in(whole["patient_id"], value_set=own))
        assert plain(table.bucket(part, own, int(first)).select(names)) == plain(wanted), part
    table.close()


def test_no_rows_are_no_rows(tmp_path: Path) -> None:
    none = batch(1).slice(0, 0)
    Dealing(tmp_path / "interactions", "interactions", none.column_names).deal([none], Roster(PATIENTS), EDGES)
    table = Dealt(tmp_path / "interactions")
    found = table.bucket(1, PATIENTS.slice(3, 2), 3)
    assert found.num_rows == 0
    assert found.schema.field("time").type == ARROW["instant"]
    table.close()
