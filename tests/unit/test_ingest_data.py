"""Public data through its sources: counts per table, and what is set aside."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from features.ingest import ingest

pytestmark = [pytest.mark.data, pytest.mark.slow]


def test_fhir_hospital(public_data: Path, tmp_path: Path) -> None:
    report = ingest("fhir", public_data / "fhir_hospital", tmp_path)
    assert report.read == {
        "Patient": 1992,
        "Encounter": 35615,
        "Condition": 7644,
        "Observation": 619000,
        "MedicationRequest": 64877,
        "FamilyMemberHistory": 3573,
        "Coverage": 6760,
    }
    assert report.unread["FamilyMemberHistory (no disease)"] == 2017
    assert {name: report.unread[name] for name in ("Procedure", "Immunization", "AllergyIntolerance")} == {
        "Procedure": 3340,
        "Immunization": 29788,
        "AllergyIntolerance": 2025,
    }
    assert dict(report.written) == {
        "encounters": 36811,
        "diagnoses": 7618,
        "observations": 685137,
        "prescriptions": 64841,
        "family_history": 7326,
        "patients": 6991,
        "observed": 9960,
    }
    assert dict(report.quarantined) == {
        ("encounters", "birth_date_after_visit"): 258,
        ("diagnoses", "birth_date_after_event"): 26,
        ("observations", "birth_date_after_event"): 2587,
        ("observations", "systolic_below_diastolic"): 8,
        ("prescriptions", "birth_date_after_event"): 36,
    }
    visits = pq.read_table(tmp_path / "encounters")
    assert _counts(visits, "status") == {
        "planned": 724,
        "in_progress": 724,
        "finished": 35363,
    }
    assert len(visits["event_id"].unique()) == 35615 - 248
    people = pq.read_table(tmp_path / "patients")
    assert len(people["patient_id"].unique()) == 1992
    dead = people.filter(pc.is_valid(people["deceased_at"]))
    assert len(dead["patient_id"].unique()) == 97
    assert pc.all(pc.greater_equal(dead["known_at"], dead["deceased_at"])).as_py()


def test_mimic_on_fhir(public_data: Path, tmp_path: Path) -> None:
    report = ingest("fhir", public_data / "mimic4demo_fhir", tmp_path)
    assert (report.read["Patient"], report.read["Encounter"], report.read["Condition"]) == (100, 637, 5051)
    diagnoses = pq.read_table(tmp_path / "diagnoses")
    assert diagnoses.num_rows == 5051
    assert set(_counts(diagnoses, "code_system")) == {"ICD-9-CM", "ICD-10-CM"}
    assert pc.all(pc.greater_equal(diagnoses["known_at"], diagnoses["time"])).as_py()
    assert report.unread["MedicationAdministration"] == 56535
    assert (report.read["MedicationRequest"], report.read["MedicationDispense"]) == (17552, 1082)
    assert report.unread["MedicationDispense (no supply stated: its MedicationRequest tells)"] == 14293


def test_synthea_bundles(public_data: Path, tmp_path: Path) -> None:
    report = ingest("fhir", public_data / "fhir_synthea_r4", tmp_path)
    assert (report.read["Patient"], report.read["Encounter"], report.read["Observation"]) == (30, 779, 3688)
    assert not report.quarantined


def test_omop_gibleed(public_data: Path, tmp_path: Path) -> None:
    report = ingest("omop", public_data / "omop_gibleed", tmp_path)
    assert {name: report.read[name] for name in ("person", "condition_occurrence", "drug_exposure", "measurement")} == {
        "person": 2694,
        "condition_occurrence": 65332,
        "drug_exposure": 67707,
        "measurement": 44053,
    }
    assert dict(report.quarantined) == {
        ("observed", "unknown_patient"): 2649,
        ("prescriptions", "birth_date_after_event"): 1,
    }
    assert dict(report.written) == {
        "encounters": 2074,
        "diagnoses": 65332,
        "observations": 45530,
        "prescriptions": 67706,
        "patients": 2694,
        "observed": 4 * 2694,
    }
    unmapped = report.document()["unmapped"]["diagnoses"]
    assert 0 < unmapped["rows"] < 20_000, "unmapped SNOMED is kept and counted"
    diagnoses = pq.read_table(tmp_path / "diagnoses")
    assert _counts(diagnoses, "code_system") == {"SNOMED CT": 64853, "ICD-10-CM": 479}


def test_omop_synthea(public_data: Path, tmp_path: Path) -> None:
    report = ingest("omop", public_data / "omop_synthea27nj", tmp_path)
    assert (report.read["person"], report.read["visit_occurrence"], report.read["measurement"]) == (28, 1791, 10040)
    assert not report.quarantined and report.written["observed"] == 4 * 28
    codes = pq.read_table(tmp_path / "diagnoses")["code"].to_pylist()
    assert not any(code.endswith(".0") for code in codes)


def test_mimic_in_omop(public_data: Path, tmp_path: Path) -> None:
    report = ingest("omop", public_data / "mimic4demo_omop", tmp_path, zone="America/New_York")
    assert {name: report.read[name] for name in ("person", "visit_occurrence", "condition_occurrence")} == {
        "person": 100,
        "visit_occurrence": 852,
        "condition_occurrence": 16441,
    }
    assert (report.read["drug_exposure"], report.written["prescriptions"]) == (18229, 18229)
    assert not report.quarantined
    diagnoses = pq.read_table(tmp_path / "diagnoses")
    counts = _counts(diagnoses, "code_system")
    assert counts["ICD-9-CM"] + counts["ICD-10-CM"] == 3833, "every billed code, without a vocabulary that says so"
    assert pc.all(pc.greater_equal(diagnoses["known_at"], diagnoses["time"])).as_py()


def test_cdnow(public_data: Path, tmp_path: Path) -> None:
    report = ingest("cdnow", public_data / "cdnow", tmp_path)
    assert (report.written["encounters"], report.written["patients"]) == (69659, 23570)


def test_deskdrop(public_data: Path, tmp_path: Path) -> None:
    report = ingest("deskdrop", public_data / "deskdrop", tmp_path)
    assert (report.read["interaction"], report.unread["interaction said twice"]) == (64515, 2283)
    assert (report.written["interactions"], report.written["patients"], report.written["contents"]) == (
        62232, 1799, 2701
    )  # fmt: skip


def test_physionet_by_the_documented_mapping(project: Path, public_data: Path, tmp_path: Path) -> None:
    """The first 100,000 of 1,754,430 measurements."""
    folder = tmp_path / "stays"
    folder.mkdir()
    page = (project / "docs" / "public-data.md").read_text(encoding="utf-8")
    (folder / "mapping.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    pq.write_table(
        pq.read_table(public_data / "physionet2012/set-a.parquet").slice(0, 100_000), folder / "set-a.parquet"
    )
    report = ingest("tabular", folder, tmp_path / "lake")
    assert report.written["observations"] == 100_000 and not report.quarantined
    rows = pq.read_table(tmp_path / "lake" / "observations")
    span = pc.min_max(rows["time"]).as_py()
    assert (span["max"] - span["min"]).total_seconds() <= 48 * 3600
    assert report.document()["unmapped"]["observations"]["codes"] == len(pc.unique(rows["code"]))


def _counts(table: object, column: str) -> dict[str, int]:
    return {each["values"]: each["counts"] for each in pc.value_counts(table[column]).to_pylist()}  # type: ignore[index]
