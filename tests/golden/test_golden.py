"""Golden patients: a small table in, a vector out. Each file in patients/ reads as documentation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import features
from features.lake import Lake
from features.schema import ARROW, table

FILES = sorted((Path(__file__).parent / "patients").glob("*.yaml"))


def cell(text: str, kind: str) -> Any:
    """Read one cell by the kind of its column; a blank is a null."""
    if not text:
        return None
    if kind == "instant":
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    if kind == "strings":
        return text.split(";")
    return {"string": str, "float": float, "int": int, "bool": lambda word: word == "true"}[kind](text)


def canonical(name: str, text: str) -> pa.Table:
    """Read a table drawn with bars; ``patient`` stands for patient_id."""
    header, *lines = ([part.strip() for part in line.split("|")] for line in text.strip().splitlines())
    columns = [table(name).column("patient_id" if part == "patient" else part) for part in header]
    read = {
        column.name: pa.array([cell(line[at], column.kind) for line in lines], ARROW[column.kind])
        for at, column in enumerate(columns)
    }
    return pa.table(read)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_golden_patient(file: Path, tmp_path: Path) -> None:
    golden = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, text in golden["tables"].items():
        (tmp_path / name).mkdir()
        pq.write_table(canonical(name, text), tmp_path / name / "rows.parquet")
    people = list(golden["vectors"])
    at = datetime.combine(golden["at"], datetime.min.time(), tzinfo=UTC)
    vectors = features.build(Lake(tmp_path), pd.DataFrame({"patient_id": people, "at": [at] * len(people)}))
    assert list(vectors["patient_id"]) == people
    for row, patient in enumerate(people):
        for name, expected in golden["vectors"][patient].items():
            wanted = np.nan if expected is None else float(expected)
            assert vectors[name].iloc[row] == pytest.approx(wanted, rel=1e-9, nan_ok=True), f"{patient} {name}"


def test_every_canonical_table_that_feeds_the_catalogue_has_a_golden_patient() -> None:
    shown = {name for file in FILES for name in yaml.safe_load(file.read_text(encoding="utf-8"))["tables"]}
    read = {each.source for each in features.catalogue() if isinstance(each, features.FeatureGroup)}
    assert read <= shown
