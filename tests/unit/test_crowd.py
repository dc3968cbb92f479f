"""Group profiles: counts by region, and nothing that fewer than ten patients stand behind."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features import instants
from features.__main__ import app
from features.instants import DAY
from features.lake import Lake
from features.tagging.crowd import Cell, _kept_back, crowd

AT = instants.parse("2025-06-30")
UTC = pa.timestamp("us", tz="UTC")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Return 60 patients of three regions (30, 25, 5): 12 and 4 diabetics in the first two, all in the last."""
    regions = ["110105"] * 30 + ["310101"] * 25 + ["440103"] * 5
    sick = [f"p{at}" for at in (*range(12), *range(30, 34), *range(55, 60))]
    ids = [f"p{at}" for at in range(60)]
    people = {
        "patient_id": ids,
        "time": pa.array([AT - 900 * DAY] * 60, UTC),
        "region_code": regions,
        "sex": ["female"] * 60,
    }
    coded = {
        "patient_id": sick,
        "time": pa.array([AT - 100 * DAY] * len(sick), UTC),
        "code_system": ["ICD-10"] * len(sick),
        "code": ["E11"] * len(sick),
    }
    for name, rows in (("patients", people), ("diagnoses", coded)):
        (tmp_path / "lake" / name).mkdir(parents=True)
        pq.write_table(pa.table(rows), tmp_path / "lake" / name / "x.parquet")
    return Lake(tmp_path / "lake")


def _of(cells: list[Cell], code: str) -> dict[str, tuple[int | None, int | None]]:
    return {cell.group: (cell.patients, cell.n) for cell in cells if cell.code == code}


def test_small_groups_and_small_cells_are_kept_back(lake: Lake) -> None:
    cells = crowd(lake, AT, "region")
    # the region of 5 is hidden, and with it the next, or subtraction from the total would tell it
    assert [(cell.patients, cell.code, cell.n) for cell in cells if cell.group in ("310101", "440103")] == [
        (None, "", None),
        (None, "", None),
    ]
    assert _of(cells, "diabetes") == {"110105": (30, 12)}
    assert all(cell.n is None or cell.n >= 10 for cell in cells)


def test_a_purpose_leaves_tags_out(lake: Lake) -> None:
    assert "diabetes" not in {cell.code for cell in crowd(lake, AT, "region", "service_marketing")}


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([[50, 40], [30, 20]], [[0, 0], [0, 0]]),
        ([[50, 9], [30, 20]], [[1, 1], [1, 1]]),
        ([[50, 9, 70], [30, 20, 60], [80, 90, 99]], [[1, 1, 0], [1, 1, 0], [0, 0, 0]]),
        ([[50, 0, 3], [30, 20, 60], [80, 90, 99]], [[1, 1, 1], [1, 1, 0], [1, 0, 1]]),
    ],
)
def test_what_subtraction_would_tell_is_kept_back_too(counts: list[list[int]], hidden: list[list[int]]) -> None:
    found = _kept_back(np.array(counts), 10)
    assert (found[np.array(counts) < 10]).all()
    for lines, own in ((np.array(counts), found), (np.array(counts).T, found.T)):
        for line, kept in zip(lines, own):
            assert kept.sum() != 1
            assert not kept.any() or kept.all() or line[kept].sum() >= 10
    if len(counts) < 3 or 0 not in counts[0]:
        assert found.astype(int).tolist() == hidden


def test_the_command_writes_what_a_spreadsheet_reads(lake: Lake, tmp_path: Path) -> None:
    out = tmp_path / "profile.csv"
    asked = ["profile", "--lake", str(lake.path), "--at", "2025-06-30", "--by", "sex", "--out", str(out)]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines()))
    (diabetes,) = (row for row in rows if row["code"] == "diabetes")
    assert (diabetes["group"], diabetes["patients"], diabetes["n"], diabetes["share"]) == (
        "female",
        "60",
        "21",
        "0.3500",
    )
    (region,) = (row for row in rows if row["code"] == "region" and row["value"] == "440103")
    assert region["n"] == ""
