"""What one ingest says against another: the lake's row stands, what is known later replaces it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.conflicts import Held, event_keys
from features.ingest import ingest
from features.lake import Lake
from features.report import Report

MAPPING = """
tables:
  - file: 就诊.csv
    table: encounters
    columns: {patient_id: 病人, event_id: 就诊号, time: 时间, known_at: 知晓, fee: 费用}
"""
MARCH = """病人,就诊号,时间,知晓,费用
a,V1,2024-03-01 09:00,2024-03-01 10:00,10
b,V2,2024-03-02 09:00,2024-03-02 10:00,20
c,V3,2024-03-03 09:00,2024-03-03 10:00,30
"""
APRIL = """病人,就诊号,时间,知晓,费用
a,V1,2024-03-01 09:00,2024-03-01 10:00,10
b,V2,2024-03-02 09:00,2024-03-02 10:00,21
c,V3,2024-03-03 09:00,2024-04-03 10:00,31
d,V4,2024-04-03 09:00,2024-04-03 10:00,40
"""


def read(world: Path, folder: str, text: str) -> Report:
    (world / folder).mkdir(exist_ok=True)
    (world / folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    (world / folder / "就诊.csv").write_text(text, encoding="utf-8")
    return ingest("tabular", world / folder, world / "lake")


def fees(world: Path) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for row in Lake(world / "lake").read("encounters", ("patient_id", "fee")).to_pylist():
        found.setdefault(row["patient_id"], set()).add(row["fee"])
    return found


def test_the_row_of_the_lake_stands_against_another_export(tmp_path: Path) -> None:
    read(tmp_path, "march", MARCH)
    report = read(tmp_path, "april", APRIL)
    assert report.quarantined == {("encounters", "contradicting_rows"): 1}
    assert fees(tmp_path) == {"a": {10}, "b": {20}, "c": {30, 31}, "d": {40}}
    aside = (tmp_path / "lake/_quarantine/tabular-april/encounters.ndjson").read_text(encoding="utf-8")
    assert '"visit/V2"' in aside and aside.count("\n") == 1


def test_the_same_export_again_contradicts_nothing(tmp_path: Path) -> None:
    """What it wrote before is replaced, so a corrected export is not held against itself."""
    read(tmp_path, "march", MARCH)
    assert not read(tmp_path, "march", MARCH.replace(",10\n", ",11\n")).quarantined
    assert fees(tmp_path)["a"] == {11}


def test_a_file_of_another_writer_is_asked_too(tmp_path: Path) -> None:
    """Fewer columns, milliseconds: what is there is compared as a lake reads it."""
    read(tmp_path, "march", MARCH)
    file = tmp_path / "lake/encounters/tabular-march.parquet"
    kept = pq.read_table(file).drop_columns(["version", "void"])
    file.unlink()
    pq.write_table(kept, tmp_path / "lake/encounters/part-0.parquet", coerce_timestamps="ms")
    assert read(tmp_path, "april", APRIL).quarantined == {("encounters", "contradicting_rows"): 1}


@pytest.mark.parametrize("asked", [0, 2, 4])
def test_memory_is_that_of_the_events_in_both(tmp_path: Path, asked: int) -> None:
    read(tmp_path, "march", MARCH)
    read(tmp_path, "april", APRIL)
    rows = pq.read_table(tmp_path / "lake/encounters")
    names = np.array(rows["event_id"].to_pylist()[:asked], object)
    every = np.unique(event_keys(names, np.ones(asked, np.int64)))
    held = Held(Lake(tmp_path / "lake"), "encounters", "none", every)
    assert len(held) == sum(name in set(names) for name in rows["event_id"].to_pylist())
