"""A lake is read as it stands: any names, any order, and a mistake names the file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.lake import Lake
from features.schema import ARROW
from tests.spec.drawn import drawn, instant

VISITS = """
patient_id | time       | known_at   | status
b          | 2024-03-01 | 2024-03-09 | finished
a          | 2024-02-01 |            | finished
"""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two tables, and what is no table."""
    for name in ("encounters/2024", "observations", "notes"):
        (tmp_path / name).mkdir(parents=True)
    pq.write_table(drawn("encounters", VISITS), tmp_path / "encounters/2024/of any name.parquet")
    pq.write_table(
        drawn("encounters", "patient_id | time | fee\na | 2024-04-01 | 10"), tmp_path / "encounters/0.parquet"
    )
    pq.write_table(drawn("observations", "patient_id | time\nc | 2024-01-05"), tmp_path / "observations/x.parquet")
    (tmp_path / "encounters/readme.txt").write_text("not a table")
    (tmp_path / "notes/y.parquet").write_text("no table of that name")
    return Lake(tmp_path)


def test_tables_are_the_canonical_folders(lake: Lake) -> None:
    assert lake.tables() == ("encounters", "observations")


def test_files_of_different_columns_make_one_table(lake: Lake) -> None:
    rows = lake.read("encounters", ("patient_id", "status", "fee", "version", "void"))
    assert rows.to_pylist() == [
        {"patient_id": "a", "status": None, "fee": 10.0, "version": 1, "void": False},
        {"patient_id": "b", "status": "finished", "fee": None, "version": 1, "void": False},
        {"patient_id": "a", "status": "finished", "fee": None, "version": 1, "void": False},
    ]


def test_a_missing_known_at_is_the_time(lake: Lake) -> None:
    rows = lake.read("encounters", ("time", "known_at"))
    assert [row["known_at"] == row["time"] for row in rows.to_pylist()] == [True, False, True]


def test_a_table_that_is_absent_is_empty(lake: Lake) -> None:
    assert lake.read("diagnoses").num_rows == 0
    assert lake.read("diagnoses", ("patient_id", "code")).column_names == ["patient_id", "code"]


def test_unknown_columns_are_kept(tmp_path: Path) -> None:
    (tmp_path / "feedback").mkdir()
    rows = drawn("feedback", "time | rating\n2024-01-01 | 7")
    pq.write_table(rows.append_column("ward", pa.array([3])), tmp_path / "feedback/1.parquet")
    assert Lake(tmp_path).read("feedback")["ward"].to_pylist() == [3]


def test_patients_are_sorted_and_of_every_table(lake: Lake) -> None:
    assert list(lake.patients()) == ["a", "b", "c"]


def test_a_patient_column_named_patient_is_read(tmp_path: Path) -> None:
    (tmp_path / "observed").mkdir()
    rows = pa.table({"patient": [1], "table": ["encounters"], "start": pa.array([0], ARROW["instant"])})
    pq.write_table(rows, tmp_path / "observed/1.parquet")
    assert Lake(tmp_path).read("observed", ("patient_id", "end")).to_pylist() == [{"patient_id": "1", "end": None}]


def test_extent_is_the_first_time_and_the_last_known(lake: Lake) -> None:
    assert lake.extent() == (instant("2024-01-05"), instant("2024-04-01"))


def test_the_digest_is_of_the_bytes(lake: Lake, tmp_path: Path) -> None:
    assert list(lake.manifest) == [
        "encounters/0.parquet",
        "encounters/2024/of any name.parquet",
        "observations/x.parquet",
    ]
    assert Lake(tmp_path).digest == lake.digest
    pq.write_table(drawn("observations", "patient_id | time\nc | 2024-01-06"), tmp_path / "observations/x.parquet")
    assert Lake(tmp_path).digest != lake.digest


def test_a_file_that_cannot_be_read_is_named(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "encounters/torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"encounters/torn\.parquet: cannot be read as Parquet"):
        Lake(tmp_path).read("encounters")


def test_a_required_column_that_is_absent_is_named(tmp_path: Path) -> None:
    (tmp_path / "feedback").mkdir()
    pq.write_table(pa.table({"patient_id": ["a"], "rating": [1.0]}), tmp_path / "feedback/1.parquet")
    with pytest.raises(InputError, match="table feedback: has no column 'time'"):
        Lake(tmp_path).read("feedback")


def test_a_column_of_the_wrong_kind_is_named_without_its_values(tmp_path: Path) -> None:
    (tmp_path / "feedback").mkdir()
    rows = drawn("feedback", "time\n2024-01-01").append_column("rating", pa.array(["secret"]))
    pq.write_table(rows, tmp_path / "feedback/1.parquet")
    with pytest.raises(InputError, match="column 'rating' is a string, it is read as float") as caught:
        Lake(tmp_path).read("feedback")
    assert "secret" not in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lake gone: there is no such folder"):
        Lake(tmp_path / "gone")


def test_a_lake_without_events_has_no_extent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no event"):
        Lake(tmp_path).extent()
