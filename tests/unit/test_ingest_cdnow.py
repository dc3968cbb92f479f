"""CDNOW: purchases as visits with a fee."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.ingest import ingest

MASTER = " customer_id  date number_of_cds  dollar_value\n 00001 19970101  1   11.77\n 00002 19970112  1   12.00\n"
MASTER += " 00002 19970112  5   77.00\n 00003 1997  x\n"


def test_each_purchase_is_a_finished_visit_at_the_end_of_its_day(tmp_path: Path) -> None:
    (tmp_path / "cdnow").mkdir()
    (tmp_path / "cdnow" / "CDNOW_master.txt.gz").write_bytes(gzip.compress(MASTER.encode()))
    report = ingest("cdnow", tmp_path / "cdnow", tmp_path / "lake")
    visits = pq.read_table(tmp_path / "lake" / "encounters").to_pylist()
    assert [(each["patient_id"], each["fee"]) for each in visits] == [
        ("00001", 11.77),
        ("00002", 12.0),
        ("00002", 77.0),
    ]
    end = datetime(1997, 1, 1, 15, 59, 59, 999999, UTC)
    assert (visits[0]["time"], visits[0]["known_at"], visits[0]["kind"]) == (end, end, "outpatient")
    assert {each["status"] for each in visits} == {"finished"}
    assert report.quarantined == {("encounters", "malformed_resource"): 1}
    patients = pq.read_table(tmp_path / "lake" / "patients").to_pylist()
    assert [each["patient_id"] for each in patients] == ["00001", "00002"] and patients[0]["registered_at"] == end


def test_the_sample_stands_in_for_the_whole(tmp_path: Path) -> None:
    (tmp_path / "CDNOW_sample.txt").write_text(" 00004 0001 19970101  2   29.33\n 00004 0001 19970118  2   29.73\n")
    ingest("cdnow", tmp_path, tmp_path / "lake")
    assert pq.read_table(tmp_path / "lake" / "encounters").column("fee").to_pylist() == [29.33, 29.73]
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"no file of purchases; expected CDNOW_master.txt"):
        ingest("cdnow", tmp_path / "none", tmp_path / "lake")
