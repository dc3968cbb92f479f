"""Vectors of a lake: one row a landmark, kept, written with their meaning, and asked by command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import features
from features.__main__ import main
from features.build import vectors, write
from features.errors import InputError
from features.group import FeatureGroup
from features.history import Selection
from features.lake import Lake
from features.plan import compile_plan
from tests.spec.drawn import drawn

VISITS = """
patient_id | time       | fee
b          | 2024-03-01 | 30
a          | 2024-02-01 | 10
a          | 2024-03-01 | 20
"""
OWN = '''
from features import derived, feature_group


@feature_group(source="encounters", purposes=("care_followup",), why="a test", clinical_group="fees")
def spent(history):
    """What was charged. Unit: CNY."""
    return {"fee_total": history.sum("fee"), "fee_last_30d": history.within(days=30).last("fee")}


@derived
def fee_rest(fee_total, fee_last_30d):
    """What was charged before."""
    return fee_total - fee_last_30d
'''
FEE = Selection("encounters")
GROUPS = [
    FeatureGroup("fee", "encounters", ("care_followup",), "a test", "fees", {"n": FEE.count(), "last": FEE.last("fee")})
]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "home"))
    (tmp_path / "lake/encounters").mkdir(parents=True)
    pq.write_table(drawn("encounters", VISITS), tmp_path / "lake/encounters/1.parquet")
    return tmp_path / "lake"


def landmarks(*rows: tuple[object, str]) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": [patient for patient, _ in rows], "at": pd.to_datetime([at for _, at in rows])})


def test_a_row_for_each_landmark_in_its_order(lake: Path) -> None:
    marks = landmarks(("b", "2024-04-01"), ("a", "2024-02-15"), ("nobody", "2024-04-01"), ("a", "2024-04-01"))
    built = features.build(lake, pd.concat([marks, marks.iloc[:1]]), GROUPS)
    assert list(built["patient_id"]) == ["b", "a", "nobody", "a", "b"]
    assert str(built["at"].dt.tz) == "UTC"
    assert built["n"].tolist() == [1, 1, 0, 2, 1]
    assert built["last"].tolist()[:2] == [30, 10]
    assert np.isnan(built["last"][2])
    assert list(built.dtypes.iloc[2:]) == [np.float64, np.float64]


def test_the_catalogue_is_built_where_nothing_else_is_asked(lake: Path) -> None:
    built = features.build(Lake(lake), landmarks(("a", "2024-04-01")))
    assert list(built.columns[2:]) == list(compile_plan(features.catalogue()).spec.names)


def test_the_same_question_is_read_back(lake: Path) -> None:
    opened, marks = Lake(lake), landmarks(("a", "2024-04-01"))
    first = features.build(opened, marks, GROUPS)
    assert opened.digest
    (lake / "encounters/1.parquet").unlink()
    pd.testing.assert_frame_equal(features.build(opened, marks, GROUPS), first)


def test_another_lake_or_landmark_is_computed_anew(lake: Path) -> None:
    marks = landmarks(("a", "2024-04-01"))
    features.build(lake, marks, GROUPS)
    pq.write_table(drawn("encounters", "patient_id | time | fee\na | 2024-03-09 | 7"), lake / "encounters/2.parquet")
    assert features.build(lake, marks, GROUPS)["n"].tolist() == [3]
    assert features.build(lake, landmarks(("a", "2024-03-05")), GROUPS)["n"].tolist() == [2]


def test_many_landmarks_of_long_ids(lake: Path, tmp_path: Path) -> None:
    """More texts than arrow puts in one piece: 64 MiB of NumPy's."""
    many = 270_000
    ids, at = (
        np.array(["a", "b", *["n" * 64] * (many - 2)]),
        np.full(many, int(pd.Timestamp("2024-04-01", tz="UTC").value // 1000)),
    )
    found = vectors(Lake(lake), compile_plan(tuple(GROUPS)), ids, at)
    assert found[:3, 0].tolist() == [2, 1, 0] and not found[3:, 0].any()
    frame = pd.DataFrame(found, columns=list(compile_plan(tuple(GROUPS)).spec.names))
    frame.insert(0, "patient_id", ids)
    frame.insert(1, "at", pd.to_datetime(at, unit="us", utc=True))
    write(frame, compile_plan(tuple(GROUPS)), tmp_path / "many.parquet")
    assert pq.read_metadata(tmp_path / "many.parquet").num_rows == many


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        (pd.DataFrame({"patient": ["a"], "at": ["2024-01-01"]}), "has no column 'patient_id'"),
        (pd.DataFrame({"patient_id": ["a"], "at": [None]}), "column 'at' holds a null"),
        (pd.DataFrame({"patient_id": ["a"], "at": ["someday"]}), "column 'at' is no time"),
        (pd.DataFrame({"patient_id": ["a"], "at": [1_700_000_000_000_000]}), "column 'at' is no time"),
    ],
)
def test_landmarks_that_cannot_be_used(lake: Path, marks: pd.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=said):
        features.build(lake, marks, GROUPS)


def test_every_column_says_what_it_is(lake: Path, tmp_path: Path) -> None:
    plan = compile_plan(features.catalogue())
    write(features.build(lake, landmarks(("a", "2024-04-01"))), plan, tmp_path / "out/vectors.parquet")
    schema = pq.read_schema(tmp_path / "out/vectors.parquet")
    assert schema.names == ["patient_id", "at", *plan.spec.names]
    assert schema.metadata[b"vector_spec"].decode() == plan.spec.digest
    told = {key.decode(): value.decode() for key, value in schema.field("age_years").metadata.items()}
    assert {key: told[key] for key in ("label", "label_zh", "label_en", "unit", "group", "window", "window_days")} == {
        "label": "age",
        "label_zh": "年龄",
        "label_en": "age",
        "unit": "a",
        "group": "age",
        "window": "derived",
        "window_days": "",
    }
    windows = {name: schema.field(name).metadata[b"window_days"].decode() for name in plan.spec.names}
    assert windows["hba1c_count_24m"] == "730"
    words = {name: schema.field(name).metadata[b"window"].decode() for name in plan.spec.names}
    assert words["hba1c_count_24m"] == "last 730 days"
    assert words["booking_count_ahead"] in ("ahead", "next 90 days")
    assert words["hba1c_days_since"] == "whole history"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run ``python -m features`` and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["features", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_build_at_one_instant_for_everyone(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "vectors.parquet"
    assert run(monkeypatch, "build", "--lake", lake, "--at", "2024-02-29", "--out", out) == 0
    read = pd.read_parquet(out)
    assert list(read["patient_id"]) == ["a", "b"]
    assert set(read["at"]) == {pd.Timestamp("2024-02-29T15:59:59.999999", tz="UTC")}, "the end of that day in Shanghai"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_build_landmarks_and_groups_of_a_file(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    own, marks, out = tmp_path / "my groups.py", tmp_path / f"marks.{kind}", tmp_path / "vectors.parquet"
    own.write_text(OWN)
    frame = pd.DataFrame(
        {"patient_id": ["b", "a", "a"], "at": ["2024-03-05", "2024-03-05T08:00:00+08:00", "2024-02-01"]}
    )
    frame.to_csv(marks, index=False) if kind == "csv" else frame.to_parquet(marks)
    status = run(monkeypatch, "build", "--lake", lake, "--landmarks", marks, "--groups", own, "--out", out)
    assert status == 0
    read = pd.read_parquet(out)
    assert list(read.columns) == ["patient_id", "at", "fee_total", "fee_last_30d", "fee_rest"]
    assert list(read["patient_id"]) == ["b", "a", "a"]
    assert read["fee_total"].tolist() == [30, 30, 10]
    assert read["fee_rest"].tolist() == [0, 10, 0]


def test_what_is_null_everywhere_is_named(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "build", "--lake", lake, "--at", "2024-02-29", "--out", tmp_path / "v.parquet")
    assert "hba1c_last" in capsys.readouterr().out.partition("null for every landmark")[2]


def test_describe_a_feature(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "describe", "hba1c_count_24m") == 0
    said = capsys.readouterr().out
    assert "glycaemia (observations; glucose" in said
    assert "why: " in said
    assert "purposes: " in said
    assert "last 730 days" in said
    assert "hba1c_mean" not in said


def test_describe_all(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "describe") == 0
    said = capsys.readouterr().out
    assert all(name in said for name in compile_plan(features.catalogue()).spec.names)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["describe", "glycemia"], "did you mean 'glycaemia'"),
        (["build", "--lake", "gone", "--at", "2024-01-01", "--out", "x"], "lake gone: there is no such folder"),
        (["build", "--lake", "LAKE", "--at", "1 May", "--out", "x"], "write 2025-06-30"),
        (["build", "--lake", "LAKE", "--out", "x"], "either --at or --landmarks"),
        (["build", "--lake", "LAKE", "--landmarks", "gone.csv", "--out", "x"], "--landmarks gone.csv: cannot be read"),
        (["build", "--lake", "LAKE", "--at", "2024-01-01", "--groups", "gone.py", "--out", "x"], "no such file"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    lake: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert run(monkeypatch, *[lake if each == "LAKE" else each for each in arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1


def test_help_loads_nothing_heavy(project: Path) -> None:
    code = "import sys, features.__main__; print(sorted({'pandas', 'numba', 'pyarrow', 'numpy'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
