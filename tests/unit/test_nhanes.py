"""NHANES: the packaged table of real people, and the same people as a lake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.ingest import ingest
from features.sources.nhanes import FOLDER, frame, undiagnosed


def test_whom_the_self_test_is_about() -> None:
    chosen, outcome = undiagnosed(frame())
    assert (len(chosen), int(outcome.sum())) == (4051, 150)
    assert chosen["age"].min() >= 20
    assert set(chosen["told_diabetes"]) == {"0"}
    assert chosen["hba1c"].notna().all()


def test_the_columns_are_clean() -> None:
    people = frame()
    assert len(people) == 8366 and people["seqn"].is_unique
    for name in ("male", "family_diabetes", "smoked", "smokes_now", "active", "told_prediabetes", "told_risk"):
        assert set(people[name].dropna()) == {0.0, 1.0}, name
    assert people["told_diabetes"].value_counts().to_dict() == {"0": 7334, "1": 853, "Borderline": 175}
    assert int(people["family_diabetes"].sum()) == 1106
    assert people["sedentary_minutes"].max() <= 24 * 60
    assert people["diastolic"].min() > 0
    assert set(people["general_health"].dropna()) == {0.0, 1.0, 2.0, 3.0, 4.0}
    numbers = people.select_dtypes("number").to_numpy()
    assert not (np.abs(numbers[numbers != 0]) < 1e-70).any()


@pytest.mark.slow
def test_the_people_as_a_lake(tmp_path: Path) -> None:
    report = ingest("nhanes", FOLDER, tmp_path)
    assert report.read == {"person": 8366}
    assert report.written["patients"] == 8366 and report.written["family_history"] == 1106
    held = pq.read_table(tmp_path / "observations", filters=[("code", "==", "4548-4")])
    assert held.num_rows == 6045
    cholesterol = pq.read_table(tmp_path / "observations", filters=[("code", "==", "2093-3")]).to_pylist()
    assert {each["unit"] for each in cholesterol} == {"mmol/L"}
    assert sum(report.quarantined.values()) == 1


def test_a_folder_without_the_table() -> None:
    with pytest.raises(InputError, match=r"no file NHANES_data_2017-2018\.tsv\.gz"):
        frame(Path(__file__).parent)
