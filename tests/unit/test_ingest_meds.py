"""MEDS: both spellings of subject and value, birth, death and sex as codes, visits from their two ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.ingest import ingest
from features.report import Report

Json = dict[str, Any]
Run = Callable[..., tuple[Report, Path]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write rows as one MEDS shard, ingest them, return report and lake."""

    def go(*events: Json, codes: list[Json] | None = None) -> tuple[Report, Path]:
        folder = tmp_path / "meds"
        (folder / "data" / "train").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(list(events)), folder / "data" / "train" / "0.parquet")
        if codes:
            (folder / "metadata").mkdir()
            pq.write_table(pa.Table.from_pylist(codes), folder / "metadata" / "codes.parquet")
        return ingest("meds", folder, tmp_path / "lake"), tmp_path / "lake"

    return go


def rows(lake: Path, table: str) -> list[Json]:
    return pq.read_table(lake / table).to_pylist() if (lake / table).is_dir() else []


def event(code: str, *when: int, **more: Any) -> Json:
    """Return an event of subject 12; without a date it is static."""
    time = datetime(*when) if when else None  # type: ignore[arg-type]
    absent = {"numeric_value": None, "hadm_id": None, "unit": None}
    return {"subject_id": 12, "time": time, "code": code} | absent | more


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_a_subject_of_version_0_4(run: Run) -> None:
    report, lake = run(
        event("GENDER//F"),
        event("MEDS_BIRTH", 1960, 5, 4),
        event("HOSPITAL_ADMISSION//EW EMER.//EMERGENCY ROOM", 2024, 3, 1, 9, hadm_id=5),
        event("LAB//50931//mg/dL", 2024, 3, 1, 10, numeric_value=126.0, hadm_id=5),
        event("LOINC//8480-6", 2024, 3, 1, 10, 30, numeric_value=128.0, unit="mm[Hg]"),
        event("DIAGNOSIS//ICD//9//25000", 2024, 3, 5, 17, hadm_id=5),
        event("ICD10CM//I10", 2024, 3, 5, 17),
        event("RxNorm//6809", 2024, 3, 5, 17),
        event("HOSPITAL_DISCHARGE//HOME", 2024, 3, 5, 18, hadm_id=5),
        event("MEDS_DEATH", 2025, 2, 1, 3),
        codes=[{"code": "LAB//50931//mg/dL", "description": "Glucose", "parent_codes": ["LOINC/2345-7"]}],
    )
    assert not report.quarantined and report.read["event"] == 10
    before, after = rows(lake, "patients")
    assert (before["patient_id"], before["sex"], before["deceased_at"]) == ("12", "female", None)
    assert before["birth_date"] == utc(1960, 5, 4, 15, 59, 59, 999999) and after["deceased_at"] == utc(2025, 1, 31, 19)
    states = [(each["kind"], each["status"], each["known_at"]) for each in rows(lake, "encounters")]
    assert states == [
        ("inpatient", "in_progress", utc(2024, 3, 1, 1)),
        ("inpatient", "finished", utc(2024, 3, 5, 10)),
    ]
    glucose, pressure = rows(lake, "observations")
    assert (glucose["code_system"], glucose["code"], glucose["display"]) == ("LOINC", "2345-7", "Glucose")
    assert glucose["value"] == pytest.approx(6.993) and glucose["known_at"] == utc(2024, 3, 5, 10)
    assert (pressure["value"], pressure["unit"]) == (128.0, "mmHg")
    assert [(each["code_system"], each["code"]) for each in rows(lake, "diagnoses")] == [
        ("ICD-9-CM", "25000"),
        ("ICD-10-CM", "I10"),
    ]
    assert [each["code"] for each in rows(lake, "prescriptions")] == ["6809"]


def test_the_older_spelling(tmp_path: Path) -> None:
    folder = tmp_path / "old"
    (folder / "data").mkdir(parents=True)
    lines = [
        {"patient_id": 7, "time": datetime(1950, 1, 1), "code": "MEDS_BIRTH", "value": None, "unit": None},
        {"patient_id": 7, "time": datetime(2024, 1, 2, 8), "code": "LOINC/4548-4", "value": 6.5, "unit": "%"},
        {"patient_id": 7, "time": datetime(2024, 1, 2, 8), "code": "SNOMED/44054006", "value": None, "unit": None},
    ]
    pq.write_table(pa.Table.from_pylist(lines), folder / "data" / "a.parquet")
    ingest("meds", folder, tmp_path / "lake")
    [hba1c] = rows(tmp_path / "lake", "observations")
    assert (hba1c["code_system"], hba1c["code"], hba1c["value"]) == ("LOINC", "4548-4", 6.5)
    assert [each["code_system"] for each in rows(tmp_path / "lake", "diagnoses")] == ["SNOMED CT"]


def test_visits_without_an_id_end_at_the_next_discharge(run: Run) -> None:
    _, lake = run(
        event("ED_REGISTRATION", 2024, 3, 1, 7),
        event("HOSPITAL_ADMISSION", 2024, 3, 1, 9),
        event("ED_OUT", 2024, 3, 1, 10),
        event("HOSPITAL_DISCHARGE", 2024, 3, 3, 9),
        event("HOSPITAL_ADMISSION", 2024, 4, 1, 9),
    )
    told = [(each["kind"], each["status"], each["end"]) for each in rows(lake, "encounters")]
    assert told == [
        ("emergency", "finished", utc(2024, 3, 1, 2)),
        ("inpatient", "in_progress", None),
        ("inpatient", "finished", utc(2024, 3, 3, 1)),
        ("inpatient", "in_progress", None),
    ]


def test_an_event_without_a_time_is_set_aside(run: Run) -> None:
    report, lake = run(
        event("LOINC//4548-4", numeric_value=6.0, unit="%"),
        event("LOINC//4548-4", 2024, 1, 1, 8, numeric_value=6.0, unit="%"),
    )
    assert report.quarantined == {("observations", "no_time"): 1} and len(rows(lake, "observations")) == 1


def test_a_number_without_a_unit_stands_in_that_of_its_code(run: Run) -> None:
    report, lake = run(
        event("LOINC//2345-7", 2024, 3, 1, 10, numeric_value=126.0),
        event("LOINC//14749-6", 2024, 3, 1, 11, numeric_value=7.0),
        event("LOINC//4548-4", 2024, 3, 1, 12, numeric_value=7.1),
        event("SNOMED//43396009", 2024, 3, 1, 13, numeric_value=7.1),
    )
    values = [(each["code"], round(each["value"], 3), each["unit"]) for each in rows(lake, "observations")]
    assert values[:3] == [("2345-7", 6.993, "mmol/L"), ("14749-6", 7.0, "mmol/L"), ("4548-4", 7.1, "%")]
    assert not rows(lake, "diagnoses"), "a number is measured, not diagnosed"
    assert not {reason for _, reason in report.quarantined} - {"unit_not_known", "no_time"}


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "m" / "data").mkdir(parents=True)
    pq.write_table(pa.table({"subject": [1], "time": [None], "code": ["x"]}), tmp_path / "m" / "data" / "0.parquet")
    with pytest.raises(InputError, match=r"data/0.parquet: has no column 'subject_id'; did you mean 'subject'"):
        ingest("meds", tmp_path / "m", tmp_path / "lake")
    with pytest.raises(InputError, match="there is no such folder"):
        ingest("meds", tmp_path / "n", tmp_path / "lake")
