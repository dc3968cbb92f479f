"""A lake, its buckets and the store give one answer, in whatever form the files come."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from features import lake as lakes
from features.build import build, vectors
from features.lake import Lake
from features.plan import compile_plan
from features.store import EventStore
from tests.strategies import SHARED, Groups, Hospital, Marks, arrow, worlds

QUIET: Any = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "phases": (Phase.explicit, Phase.reuse, Phase.generate),
}
"""Without shrinking: an example writes a lake, and test_engine.py shrinks the same worlds in memory."""
World = tuple[Groups, Hospital, Marks]


@contextmanager
def fresh(hospital: Hospital | dict[str, list[pa.Table]]) -> Iterator[Lake]:
    """Write a lake, and keep its vectors in a cache of its own."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAREPATH_HOME", str(Path(folder) / "home"))
        for name, rows in hospital.items():
            parts = rows if rows and isinstance(rows[0], pa.Table) else [arrow(name, rows)]
            (Path(folder) / "lake" / name).mkdir(parents=True)
            for at, part in enumerate(parts):
                pq.write_table(part, Path(folder) / "lake" / name / f"{at}.parquet")
        (Path(folder) / "lake").mkdir(exist_ok=True)
        yield Lake(Path(folder) / "lake")


def batch(lake: Lake, groups: Groups, marks: Marks) -> np.ndarray:
    """Ask the lake, as ``features.build`` does."""
    at = np.array([at for _, at in marks])
    return vectors(lake, compile_plan(groups), np.array([patient for patient, _ in marks], dtype=object), at)


@settings(max_examples=20, **QUIET)
@given(worlds())
def test_asked_now_is_the_batch_bit_for_bit(world: World) -> None:
    groups, hospital, marks = world
    with fresh(hospital) as lake:
        store = EventStore(lake.path.parent / "events.db")
        store.load(lake)
        whole, plan = batch(lake, groups, marks), compile_plan(groups)
        for row, (patient, at) in enumerate(marks):
            now = plan.vectors(store.tables(patient), [patient], np.array([at]))
            assert now.tobytes() == whole[row].tobytes(), patient
        store.close()


@settings(max_examples=20, **QUIET)
@given(worlds(), st.integers(1, 9))
def test_buckets_of_any_size_give_the_whole(world: World, size: int) -> None:
    groups, hospital, marks = world
    with fresh(hospital) as lake:
        whole = batch(lake, groups, marks)
    with fresh(hospital) as lake, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lakes, "ROWS", size)
        assert batch(lake, groups, marks).tobytes() == whole.tobytes()


def as_found(name: str, rows: pa.Table, unit: str) -> pa.Table:
    """Write instants in another unit, without a zone where it is ``ms``, and words as a dictionary."""
    fields = []
    for each in rows.schema:
        kind = each.type
        if pa.types.is_timestamp(kind) and (name not in SHARED or unit == "ns"):
            kind = pa.timestamp(unit, tz=None if unit == "ms" else "Asia/Shanghai")
        elif pa.types.is_string(kind) and unit == "ns":
            kind = pa.large_string() if each.name == "event_id" else pa.dictionary(pa.int32(), pa.string())
        fields.append(pa.field(each.name, kind))
    return rows.cast(pa.schema(fields)).append_column("of_the_house", pa.array(["x"] * rows.num_rows))


@settings(max_examples=20, **QUIET)
@given(worlds(whole=True), st.sampled_from(("ms", "ns")), st.integers(1, 4))
def test_units_zones_and_files_change_nothing(world: World, unit: str, files: int) -> None:
    """Instants in ms without a zone or in ns of another, dictionaries, columns unknown, rows in several files."""
    groups, hospital, marks = world
    with fresh(hospital) as lake:
        whole = batch(lake, groups, marks)
    parts = {}
    for name, rows in hospital.items():
        table = as_found(name, arrow(name, rows), unit)
        plain = arrow(name, rows)
        cut = -(-max(len(rows), 1) // files)
        parts[name] = [
            (table if part % 2 == 0 else plain).slice(part * cut, cut)
            for part in range(files)
            if part * cut <= len(rows)
        ]
    with fresh(parts) as lake:
        assert batch(lake, groups, marks).tobytes() == whole.tobytes()


@settings(max_examples=20, **QUIET)
@given(worlds(whole=True))
def test_ids_may_be_numbers(world: World) -> None:
    groups, hospital, marks = world
    number = {"a": 7, "é": 123_456_789_012, "nobody": 3}
    parts = {}
    for name, rows in hospital.items():
        if name == "contents":
            parts[name] = [arrow(name, rows)]
            continue
        plain = arrow(name, [{**row, "patient_id": str(number[row["patient_id"]])} for row in rows])
        parts[name] = [plain.set_column(0, "patient_id", plain["patient_id"].cast(pa.int64()))]
    frame = pd.DataFrame({"patient_id": [number[patient] for patient, _ in marks]})
    frame["at"] = pd.to_datetime([at for _, at in marks], unit="us")
    with fresh(hospital) as lake:
        whole = batch(lake, groups, marks)
    with fresh(parts) as lake:
        built = build(lake, frame, groups)
    assert list(built["patient_id"]) == [str(number[patient]) for patient, _ in marks]
    assert np.array_equal(built.iloc[:, 2:].to_numpy(), whole, equal_nan=True)


@settings(max_examples=20, **QUIET)
@given(worlds(whole=True))
def test_optional_columns_may_be_absent(world: World) -> None:
    """Without known_at, version, void and source an event is known when it happened, and stands."""
    groups, hospital, marks = world
    plain, bare = {}, {}
    for name, rows in hospital.items():
        if name in SHARED:
            plain[name] = bare[name] = [arrow(name, rows)]
            continue
        first = {(row["patient_id"], row["event_id"]): row for row in reversed(rows)}.values()
        settled = [{**row, "known_at": row["time"], "version": 1, "void": False} for row in first]
        plain[name] = [arrow(name, settled)]
        bare[name] = [plain[name][0].drop_columns(["known_at", "version", "void"])]
    with fresh(plain) as lake:
        whole = batch(lake, groups, marks)
    with fresh(bare) as lake:
        assert batch(lake, groups, marks).tobytes() == whole.tobytes()


@settings(max_examples=20, **QUIET)
@given(worlds(whole=True))
def test_event_ids_may_be_absent(world: World) -> None:
    """An event is then named by what its row says: a row that comes twice is one event."""
    groups, hospital, marks = world
    whole, bare = {}, {}
    for name, rows in hospital.items():
        if name in SHARED:
            whole[name] = bare[name] = [arrow(name, rows)]
            continue
        apart = {(row["patient_id"], row["time"]): row for row in rows}.values()
        settled = [{**row, "version": 1, "void": False, "event_id": str(at)} for at, row in enumerate(apart)]
        whole[name] = [arrow(name, settled)]
        once = whole[name][0].drop_columns(["event_id", "version", "void"])
        bare[name] = [once, once]
    with fresh(whole) as lake:
        wanted = batch(lake, groups, marks)
    with fresh(bare) as lake:
        assert batch(lake, groups, marks).tobytes() == wanted.tobytes()
