"""OMOP CDM: tiny tables in, canonical rows out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.errors import InputError
from features.ingest import ingest
from features.report import Report

Json = dict[str, Any]
Run = Callable[..., tuple[Report, Path]]

PERSON = [{"person_id": 1, "gender_concept_id": 8532, "year_of_birth": 1960, "month_of_birth": 5, "day_of_birth": 4}]
VISIT = {
    "visit_occurrence_id": 10,
    "person_id": 1,
    "visit_concept_id": 9201,
    "visit_start_date": "2024-03-01",
    "visit_start_datetime": "2024-03-01 09:00:00",
    "visit_end_date": "2024-03-05",
    "visit_end_datetime": "2024-03-05 17:30:00",
}


def condition(source: str, **more: Any) -> Json:
    told = {
        "condition_occurrence_id": 20,
        "person_id": 1,
        "condition_concept_id": 0,
        "condition_start_date": "2024-03-01",
    }
    return told | {"condition_source_concept_id": 0, "condition_source_value": source} | more


def concept(key: int, code: str, vocabulary: str, kind: str = "", name: str = "") -> Json:
    told = {"concept_id": key, "concept_code": code, "vocabulary_id": vocabulary}
    return told | {"concept_class_id": kind, "concept_name": name}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write tables as CSV, ingest them, return report and lake."""

    def go(zone: str | None = None, **tables: list[Json]) -> tuple[Report, Path]:
        folder = tmp_path / "cdm"
        folder.mkdir(exist_ok=True)
        for name, lines in {"person": PERSON, **tables}.items():
            with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(lines[0]))
                writer.writeheader()
                writer.writerows(lines)
        return ingest("omop", folder, tmp_path / "lake", zone=zone), tmp_path / "lake"

    return go


def rows(lake: Path, table: str) -> list[Json]:
    return pq.read_table(lake / table).to_pylist() if (lake / table).is_dir() else []


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_a_stay_is_in_progress_until_its_end(run: Run) -> None:
    _, lake = run(visit_occurrence=[VISIT])
    states = [(each["kind"], each["status"], each["known_at"], each["end"]) for each in rows(lake, "encounters")]
    assert states == [
        ("inpatient", "in_progress", utc(2024, 3, 1, 1), None),
        ("inpatient", "finished", utc(2024, 3, 5, 9, 30), utc(2024, 3, 5, 9, 30)),
    ]
    [patient] = rows(lake, "patients")
    assert (patient["sex"], patient["birth_date"]) == ("female", utc(1960, 5, 4, 15, 59, 59, 999999))
    assert patient["known_at"] == utc(2024, 3, 1, 1)


def test_times_stand_in_the_zone_that_was_named(run: Run) -> None:
    _, lake = run(zone="America/New_York", visit_occurrence=[VISIT])
    assert rows(lake, "encounters")[1]["end"] == utc(2024, 3, 5, 22, 30)


def test_a_diagnosis_is_known_at_the_end_of_its_visit_else_after_the_lag(run: Run) -> None:
    stay = condition("E119", visit_occurrence_id=10, condition_start_datetime="2024-03-01 09:00:00")
    alone = condition("E119", condition_occurrence_id=21, visit_occurrence_id="", condition_start_datetime="")
    _, lake = run(visit_occurrence=[VISIT], condition_occurrence=[stay, alone])
    first, second = rows(lake, "diagnoses")
    assert (first["time"], first["known_at"]) == (utc(2024, 3, 1, 1), utc(2024, 3, 5, 9, 30))
    assert second["time"] == utc(2024, 3, 1, 15, 59, 59, 999999)
    assert second["known_at"] == utc(2024, 3, 2, 15, 59, 59, 999999)


@pytest.mark.parametrize(
    ("source", "concept_id", "said"),
    [
        ("4019   ", 0, ("ICD-9-CM", "4019")),
        ("V462", 44_821_000, ("ICD-9-CM", "V462")),
        ("E8500", 44_821_000, ("ICD-9-CM", "E8500")),
        ("E1122  ", 0, ("ICD-10-CM", "E1122")),
        ("44054006.0", 0, ("SNOMED CT", "44054006")),
        ("225106", 2_000_000_007, ("OMOP condition_occurrence", "225106")),
        ("AF (Atrial Fibrillation)", 0, ("OMOP condition_occurrence", "AF (Atrial Fibrillation)")),
    ],
)
def test_without_a_vocabulary_the_shape_of_the_source_value_speaks(
    run: Run, source: str, concept_id: int, said: tuple[str, str]
) -> None:
    _, lake = run(condition_occurrence=[condition(source, condition_source_concept_id=concept_id)])
    [row] = rows(lake, "diagnoses")
    assert (row["code_system"], row["code"]) == said


def test_the_vocabulary_speaks_first_and_the_code_that_a_codelist_knows(run: Run) -> None:
    concepts = [concept(5, "E11.9", "ICD10CM", name="Type 2 diabetes"), concept(6, "44054006", "SNOMED")]
    _, lake = run(
        concept=concepts,
        condition_occurrence=[
            condition("x", condition_concept_id=6, condition_source_concept_id=5),
            condition("y", condition_concept_id=6, condition_occurrence_id=21),
        ],
    )
    assert [(each["code_system"], each["code"]) for each in rows(lake, "diagnoses")] == [
        ("ICD-10-CM", "E11.9"),
        ("SNOMED CT", "44054006"),
    ]


def test_a_medicine_is_known_by_its_ingredient(run: Run) -> None:
    drug = {"drug_exposure_id": 30, "person_id": 1, "drug_concept_id": 7, "drug_exposure_start_date": "2024-03-01"}
    concepts = [concept(7, "999999", "RxNorm", "Clinical Drug", "a tablet"), concept(8, "6809", "RxNorm", "Ingredient")]
    _, lake = run(
        drug_exposure=[drug | {"drug_source_value": "local", "days_supply": 28}],
        concept=concepts,
        concept_ancestor=[{"ancestor_concept_id": 8, "descendant_concept_id": 7}],
    )
    [row] = rows(lake, "prescriptions")
    assert (row["code_system"], row["code"], row["display"], row["days_supply"]) == ("RxNorm", "6809", "a tablet", 28)
    assert row["known_at"] == row["time"]


def test_a_value_in_its_unit_and_an_answer_as_a_word(run: Run) -> None:
    common = {"person_id": 1, "measurement_date": "2024-03-01", "measurement_concept_id": 0}
    glucose = common | {"measurement_id": 1, "measurement_source_value": "1558-6", "value_as_number": 126}
    smokes = common | {"measurement_id": 2, "measurement_source_value": "72166-2", "value_as_concept_id": 9}
    _, lake = run(
        measurement=[glucose | {"unit_concept_id": 8840, "value_as_concept_id": ""}, smokes],
        concept=[concept(8840, "mg/dL", "UCUM"), concept(9, "8517006", "SNOMED", name="Former smoker")],
    )
    value, answer = rows(lake, "observations")
    assert (value["code_system"], value["unit"]) == ("LOINC", "mmol/L") and value["value"] == pytest.approx(6.993)
    assert (answer["text"], answer["value"]) == ("former", None)


def test_a_standard_unit_is_known_without_the_vocabulary(run: Run) -> None:
    common = {
        "person_id": 1,
        "measurement_date": "2024-03-01",
        "measurement_source_value": "1558-6",
        "value_as_number": 126,
    }
    known = common | {"measurement_id": 1, "unit_concept_id": 8840}
    report, lake = run(measurement=[known, common | {"measurement_id": 2, "unit_concept_id": 0}])
    [row] = rows(lake, "observations")
    assert row["value"] == pytest.approx(6.993) and report.quarantined == {("observations", "unit_not_known"): 1}


def test_a_period_of_nobody_is_set_aside_and_counted(run: Run) -> None:
    start, end = "observation_period_start_date", "observation_period_end_date"
    periods = [
        {"person_id": 1, start: "2020-01-01", end: "2024-06-30"},
        {"person_id": 2, start: "2020-01-01", end: "2024-06-30"},
        {"person_id": 1, start: "2024-01-01", end: "2023-01-01"},
    ]
    report, lake = run(visit_occurrence=[VISIT], observation_period=periods)
    assert report.quarantined == {("observed", "unknown_patient"): 1, ("observed", "end_before_start"): 1}
    assert rows(lake, "observed") == [
        {
            "patient_id": "1",
            "table": "encounters",
            "start": utc(2019, 12, 31, 16),
            "end": utc(2024, 6, 30, 15, 59, 59, 999999),
        }
    ]
    assert report.drafted["observed"] == 3
    kept = (lake / "_quarantine" / "omop-cdm" / "observed.ndjson").read_text()
    assert '"row":3' in kept and kept.count("\n") == 2


def test_a_death_is_a_version_of_its_own(run: Run) -> None:
    _, lake = run(visit_occurrence=[VISIT], death=[{"person_id": 1, "death_date": "2025-02-01"}])
    before, after = rows(lake, "patients")
    assert before["deceased_at"] is None and after["deceased_at"] == after["known_at"] == utc(
        2025, 2, 1, 15, 59, 59, 999999
    )


@pytest.mark.parametrize(("month", "born"), [("", (1960, 6, 15)), (3, (1960, 3, 1))])
def test_a_birth_without_a_day_is_dated_as_the_model_says(run: Run, month: Any, born: tuple[int, int, int]) -> None:
    person = [{"person_id": 1, "gender_source_value": "M", "year_of_birth": 1960, "month_of_birth": month}]
    _, lake = run(person=person, visit_occurrence=[VISIT])
    [row] = rows(lake, "patients")
    assert (row["sex"], row["birth_date"]) == ("male", utc(*born, 15, 59, 59, 999999))


def test_parquet_in_capitals_and_in_parts(tmp_path: Path) -> None:
    folder = tmp_path / "cdm"
    (folder / "PERSON").mkdir(parents=True)
    pq.write_table(
        pa.table({"PERSON_ID": [1.0], "GENDER_CONCEPT_ID": [8507], "BIRTH_DATETIME": [date(1950, 4, 12)]}),
        folder / "PERSON" / "part-0.parquet",
    )
    pq.write_table(
        pa.table(
            {"VISIT_OCCURRENCE_ID": [3], "PERSON_ID": [1], "VISIT_START_DATE": [date(2024, 1, 2)]}
            | {"VISIT_START_DATETIME": [datetime(2024, 1, 2)], "VISIT_CONCEPT_ID": [9202]}
        ),
        folder / "Visit_Occurrence.parquet",
    )
    pq.write_table(pa.table({"column0": ["PERSON_ID"], "column1": ["DEATH_DATE"]}), folder / "death.parquet")
    report = ingest("omop", folder, tmp_path / "lake")
    [visit] = rows(tmp_path / "lake", "encounters")
    assert (visit["patient_id"], visit["time"]) == ("1", utc(2024, 1, 2, 15, 59, 59, 999999))
    assert report.unread["death.parquet (none of its columns)"] == 1


def test_mistakes_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no table found"):
        ingest("omop", tmp_path / "empty", tmp_path / "lake")
    with pytest.raises(InputError, match="has no column 'person_id'; did you mean 'person'"):
        run(death=[{"person": 1, "death_date": "2025-02-01"}])
    answer = CliRunner().invoke(app, ["ingest", "omop", str(tmp_path / "cdm"), "--lake", "l", "--zone", "Mars"])
    assert "no time zone 'Mars'" in str(answer.exception)


def test_a_row_that_cannot_be_read_is_set_aside(run: Run) -> None:
    visits = [VISIT, VISIT | {"visit_occurrence_id": 11, "visit_start_datetime": "soon"}]
    report, lake = run(visit_occurrence=visits)
    assert report.quarantined == {("encounters", "unreadable_time"): 1} and len(rows(lake, "encounters")) == 2


def test_a_visit_costs_what_was_charged_for_it(run: Run) -> None:
    cost = {"cost_id": 1, "cost_event_id": 10, "cost_domain_id": "Visit", "total_charge": 120.5, "total_paid": ""}
    more = [
        cost,
        cost | {"cost_id": 2, "total_charge": "", "total_paid": 30},
        cost | {"cost_id": 3, "cost_domain_id": "Drug"},
    ]
    _, lake = run(visit_occurrence=[VISIT], cost=more)
    assert [each["fee"] for each in rows(lake, "encounters")] == [None, 150.5]
