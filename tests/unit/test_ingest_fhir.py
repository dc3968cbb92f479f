"""FHIR in, a lake out: readable cases, each a handful of resources."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from features.errors import InputError
from features.ingest import ingest
from features.report import Report

Json = dict[str, Any]
Run = Callable[..., tuple[Report, Path]]


def patient(name: str = "p1", **more: Any) -> Json:
    told = {"resourceType": "Patient", "id": name, "gender": "female", "birthDate": "1960-05-04"}
    personal = {"name": [{"family": "Zhang", "given": ["Mei"]}], "telecom": [{"value": "13900000000"}]}
    return told | personal | more


def encounter(name: str = "e1", who: str = "p1", **more: Any) -> Json:
    told = {
        "resourceType": "Encounter",
        "id": name,
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{who}"},
        "period": {"start": "2024-03-01T09:00:00+08:00", "end": "2024-03-01T09:30:00+08:00"},
    }
    return told | more


def observation(code: str = "4548-4", value: float = 7.1, unit: str = "%", **more: Any) -> Json:
    told = {
        "resourceType": "Observation",
        "id": f"o-{code}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": "a result"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2024-03-01T09:10:00+08:00",
        "valueQuantity": {"value": value, "unit": unit, "code": unit},
    }
    return told | more


def condition(code: str = "E11.9", **more: Any) -> Json:
    told = {
        "resourceType": "Condition",
        "id": f"c-{code}",
        "subject": {"reference": "Patient/p1"},
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": code}]},
    }
    return told | more


def pressure(systolic: float, diastolic: float, name: str = "bp") -> Json:
    parts = [("8480-6", systolic), ("8462-4", diastolic)]
    return observation("85354-9", id=name, valueQuantity=None) | {
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": {"value": value, "code": "mm[Hg]"},
            }
            for code, value in parts
        ]
    }


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Write resources as one NDJSON file with an odd name, ingest it, return report and lake."""

    def go(*resources: Json | str, lake: str = "lake") -> tuple[Report, Path]:
        folder = tmp_path / "export"
        folder.mkdir(exist_ok=True)
        lines = [each if isinstance(each, str) else json.dumps(each) for each in resources]
        (folder / "part-0.ndjson").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return ingest("fhir", folder, tmp_path / lake), tmp_path / lake

    return go


def rows(lake: Path, table: str) -> list[Json]:
    return pq.read_table(lake / table).to_pylist() if (lake / table).is_dir() else []


def aside(report: Report) -> Json:
    return {f"{table}:{reason}": count for (table, reason), count in report.quarantined.items()}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_a_visit_is_known_from_its_end(run: Run) -> None:
    _, lake = run(patient(), encounter(serviceType={"text": "Cardiology"}))
    [visit] = rows(lake, "encounters")
    assert (visit["kind"], visit["status"], visit["department"]) == ("outpatient", "finished", "Cardiology")
    assert (visit["time"], visit["end"], visit["known_at"]) == (utc(2024, 3, 1, 1), *[utc(2024, 3, 1, 1, 30)] * 2)
    assert (visit["event_id"], visit["version"], visit["source"]) == ("Encounter/e1", 1, "fhir")


def test_a_stay_is_in_progress_until_its_end_is_known(run: Run) -> None:
    period = {"start": "2024-03-01T00:00:00Z", "end": "2024-03-05T00:00:00Z"}
    _, lake = run(patient(), encounter(**{"class": {"code": "IMP"}, "period": period}))
    states = [(each["version"], each["status"], each["known_at"], each["end"]) for each in rows(lake, "encounters")]
    assert states == [
        (1, "in_progress", utc(2024, 3, 1), None),
        (2, "finished", utc(2024, 3, 5), utc(2024, 3, 5)),
    ]


def test_status_history_becomes_versions(run: Run) -> None:
    history = [
        {"status": "planned", "period": {"start": "2024-02-01T00:00:00Z"}},
        {"status": "in-progress", "period": {"start": "2024-03-01T01:00:00Z"}},
        {"status": "finished", "period": {"start": "2024-03-01T01:30:00Z"}},
    ]
    _, lake = run(patient(), encounter(statusHistory=history))
    assert [(each["status"], each["known_at"]) for each in rows(lake, "encounters")] == [
        ("planned", utc(2024, 2, 1)),
        ("in_progress", utc(2024, 3, 1, 1)),
        ("finished", utc(2024, 3, 1, 1, 30)),
    ]


@pytest.mark.parametrize(
    ("stated", "status", "void"),
    [("planned", "planned", False), ("cancelled", "cancelled", False), ("entered-in-error", None, True)],
)
def test_encounter_status(run: Run, stated: str, status: str | None, void: bool) -> None:
    _, lake = run(patient(), encounter(status=stated))
    [visit] = rows(lake, "encounters")
    assert (visit["status"], visit["void"]) == (status, void)


def test_a_missed_booking_is_first_planned_then_no_show(run: Run) -> None:
    booking = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "noshow",
        "created": "2024-01-05T08:00:00Z",
        "start": "2024-02-05T08:00:00Z",
        "participant": [{"actor": {"reference": "Practitioner/d"}}, {"actor": {"reference": "Patient/p1"}}],
    }
    _, lake = run(patient(), booking)
    assert [(each["patient_id"], each["status"], each["known_at"]) for each in rows(lake, "encounters")] == [
        ("p1", "planned", utc(2024, 1, 5, 8)),
        ("p1", "no_show", utc(2024, 2, 6, 8)),
    ]


@pytest.mark.parametrize(
    ("more", "time", "known_at"),
    [
        ({"issued": "2024-03-03T00:00:00Z"}, utc(2024, 3, 1, 1, 10), utc(2024, 3, 3)),
        ({"meta": {"lastUpdated": "2024-03-02T00:00:00Z"}}, utc(2024, 3, 1, 1, 10), utc(2024, 3, 2)),
        ({"meta": {"lastUpdated": "2025-12-31T00:00:00Z"}}, utc(2024, 3, 1, 1, 10), utc(2024, 3, 2, 1, 10)),
        ({"issued": "2024-02-01T00:00:00Z"}, utc(2024, 3, 1, 1, 10), utc(2024, 3, 2, 1, 10)),
        ({"encounter": {"reference": "Encounter/e1"}}, utc(2024, 3, 1, 1, 10), utc(2024, 3, 1, 1, 30)),
        ({"effectiveDateTime": "2024-03-01"}, utc(2024, 3, 1, 15, 59, 59, 999999), utc(2024, 3, 2, 15, 59, 59, 999999)),
        (
            {"effectiveDateTime": "2024-03-01", "issued": "2024-03-01T02:00:00Z"},
            utc(2024, 3, 1, 2),
            utc(2024, 3, 1, 2),
        ),
    ],
    ids=["issued", "updated", "updated by an export", "issued too early", "end of visit", "bare date", "same day"],
)
def test_when_a_result_is_known(run: Run, more: Json, time: datetime, known_at: datetime) -> None:
    _, lake = run(patient(), encounter(), observation(**more))
    [result] = rows(lake, "observations")
    assert (result["time"], result["known_at"]) == (time, known_at)


@pytest.mark.parametrize(
    ("more", "time", "known_at"),
    [
        (
            {"onsetDateTime": "2011-08-20", "recordedDate": "2023-01-21T10:39:00Z"},
            utc(2011, 8, 20, 15, 59, 59, 999999),
            utc(2023, 1, 21, 10, 39),
        ),
        ({"recordedDate": "2023-01-21T10:39:00Z"}, utc(2023, 1, 21, 10, 39), utc(2023, 1, 21, 10, 39)),
        ({"encounter": {"reference": "Encounter/e1"}}, utc(2024, 3, 1, 1), utc(2024, 3, 1, 1, 30)),
        ({"onsetDateTime": "2011"}, utc(2011, 12, 31, 15, 59, 59, 999999), utc(2012, 1, 1, 15, 59, 59, 999999)),
    ],
    ids=["onset and record", "record alone", "neither: the visit", "a year"],
)
def test_when_a_diagnosis_is_known(run: Run, more: Json, time: datetime, known_at: datetime) -> None:
    _, lake = run(patient(), encounter(), condition(**more))
    [diagnosis] = rows(lake, "diagnoses")
    assert (diagnosis["time"], diagnosis["known_at"]) == (time, known_at)


@pytest.mark.parametrize(
    ("code", "value", "unit", "canonical", "kept"),
    [
        ("2345-7", 126.0, "mg/dL", 126 * 0.0555, "mmol/L"),
        ("2160-0", 1.0, "mg/dL", 88.42, "umol/L"),
        ("4548-4", 53.0, "mmol/mol", 53 * 0.09148 + 2.152, "%"),
        ("9108-2", 900.0, "mL", 900.0, "mL"),
    ],
    ids=["glucose", "creatinine", "HbA1c", "no codelist: as it is"],
)
def test_units(run: Run, code: str, value: float, unit: str, canonical: float, kept: str) -> None:
    _, lake = run(patient(), observation(code, value, unit))
    [result] = rows(lake, "observations")
    assert result["value"] == pytest.approx(canonical)
    assert result["unit"] == kept


def test_components_answers_and_origins(run: Run) -> None:
    smoking = observation("72166-2", valueQuantity=None) | {
        "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "8517006"}]},
        "category": [{"coding": [{"code": "social-history"}]}],
    }
    report, lake = run(
        patient(), pressure(120, 80), smoking, observation("9269-2", valueQuantity=None, valueInteger=15)
    )
    found = {each["code"]: (each["value"], each["text"], each["origin"]) for each in rows(lake, "observations")}
    assert found == {
        "8480-6": (120.0, None, None),
        "8462-4": (80.0, None, None),
        "72166-2": (None, "former", "patient"),
        "9269-2": (15.0, None, None),
    }
    assert not report.quarantined


def test_medicines(run: Run) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "m1",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "authoredOn": "2024-03-01T01:20:00Z",
        "medicationReference": {"reference": "Medication/x"},
        "dispenseRequest": {"expectedSupplyDuration": {"value": 4, "code": "wk"}, "quantity": {"value": 56}},
    }
    atc = {"coding": [{"system": "http://www.whocc.no/atc", "code": "A10BA02", "display": "metformin"}]}
    named = {"resourceType": "Medication", "id": "x", "code": atc}
    cancelled = order | {"id": "m2", "status": "cancelled"}
    plan = order | {"id": "m3", "intent": "plan"}
    report, lake = run(patient(), named, order, cancelled, plan)
    first, second = rows(lake, "prescriptions")
    assert (first["code_system"], first["code"], first["days_supply"], first["quantity"]) == ("ATC", "A10BA02", 28, 56)
    assert (first["void"], second["void"]) == (False, True)
    assert report.unread == {"MedicationRequest (not an order)": 1}


def test_a_person_is_versions_and_a_death_is_not_known_before(run: Run) -> None:
    def coverage(name: str, start: str, kind: str) -> Json:
        told = {"resourceType": "Coverage", "id": name, "status": "active", "beneficiary": {"reference": "Patient/p1"}}
        return told | {"period": {"start": start}, "type": {"text": kind}}

    _, lake = run(
        patient(deceasedDateTime="2025-06-01T00:00:00Z"),
        encounter(),
        coverage("k1", "2020-01-01", "resident"),
        coverage("k2", "2025-01-01", "employee"),
    )
    told = [(each["known_at"], each["insurance"], each["deceased_at"]) for each in rows(lake, "patients")]
    assert told == [
        (utc(2024, 3, 1, 1, 30), "resident", None),
        (utc(2025, 1, 1, 15, 59, 59, 999999), "employee", None),
        (utc(2025, 6, 1), "employee", utc(2025, 6, 1)),
    ]
    assert {each["event_id"] for each in rows(lake, "patients")} == {"Patient/p1"}
    assert {each["birth_date"].date().isoformat() for each in rows(lake, "patients")} == {"1960-05-04"}


def test_family_history(run: Run) -> None:
    told = {
        "resourceType": "FamilyMemberHistory",
        "id": "f1",
        "status": "completed",
        "patient": {"reference": "Patient/p1"},
        "relationship": {"coding": [{"code": "MTH"}]},
        "condition": [{"code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "E11.9"}]}}],
    }
    report, lake = run(patient(), encounter(), told, told | {"id": "f2", "condition": []})
    [relative] = rows(lake, "family_history")
    assert (relative["relation"], relative["code"], relative["known_at"]) == ("mother", "E11.9", utc(2024, 3, 1, 1, 30))
    assert report.unread == {"FamilyMemberHistory (no disease)": 1}


def test_what_is_not_believed_is_set_aside_and_the_rest_ingested(run: Run) -> None:
    report, lake = run(
        patient(),
        patient("unborn", birthDate="2030-01-01"),
        encounter(),
        encounter("e2", "unborn"),
        encounter("e3", "nobody"),
        encounter("e4", subject=None),
        encounter("e5", period={"start": "not a time"}),
        encounter("e6", period={"start": "2024-03-01T10:00:00Z", "end": "2024-03-01T09:00:00Z"}),
        encounter("e7", period={}),
        encounter("e8", period="wrong"),
        condition(onsetDateTime="1950-01-01", recordedDate="2024-03-01"),
        observation(value=140.0),
        observation("2345-7", 126.0, "furlong"),
        pressure(70, 110),
        pressure(120, 80, "good"),
        observation("718-7", display=3) | {"code": {"coding": [{"code": "718-7", "display": {"a": 1}}]}},
        '{"resourceType": "Observation", "id": "cut',
        '["not a resource"]',
        {"resourceType": "Immunization", "id": "i1"},
    )
    assert aside(report) == {
        "patients:negative_age": 1,
        "encounters:birth_date_after_visit": 1,
        "encounters:unknown_patient": 1,
        "encounters:missing_patient_id": 1,
        "encounters:unreadable_time": 1,
        "encounters:end_before_start": 1,
        "encounters:no_time": 1,
        "encounters:malformed_resource": 1,
        "diagnoses:birth_date_after_event": 1,
        "observations:implausible_value": 1,
        "observations:unit_not_known": 1,
        "observations:systolic_below_diastolic": 2,
        "observations:malformed_resource": 1,
        ":unreadable_json": 2,
    }
    assert report.unread == {"Immunization": 1}
    assert [each["event_id"] for each in rows(lake, "encounters")] == ["Encounter/e1"]
    assert {each["value"] for each in rows(lake, "observations")} == {120.0, 80.0}
    assert {each["patient_id"] for each in rows(lake, "patients")} == {"p1"}

    kept = lake / "_quarantine" / report.name
    lines = [json.loads(line) for line in (kept / "unknown.ndjson").read_text().splitlines()]
    assert [(each["reason"], each["file"], each["row"]) for each in lines] == [
        ("unreadable_json", "part-0.ndjson", 17),
        ("unreadable_json", "part-0.ndjson", 18),
    ]
    [visit] = [json.loads(x) for x in (kept / "encounters.ndjson").read_text().splitlines() if "birth_date" in x]
    assert (visit["row"], visit["record"]["event_id"]) == (4, "Encounter/e2")
    assert {path.stat().st_mode & 0o777 for path in kept.glob("*.ndjson")} == {0o600}
    told = json.loads((kept / "report.json").read_text())
    assert told["quarantined"]["observations"]["implausible_value"] == 1
    assert told["tables"]["encounters"]["rows_written"] == 1


def test_every_drafted_row_is_written_or_set_aside(run: Run) -> None:
    report, _ = run(patient(), encounter(), encounter("e2", "nobody"), pressure(70, 110), observation(value=140.0))
    for table, count in report.drafted.items():
        judged = sum(n for (at, _), n in report.quarantined.items() if at == table)
        assert count == report.written[table] + judged, table


def test_nothing_personal_enters_the_lake(run: Run) -> None:
    _, lake = run(patient(identifier=[{"value": "MRN-77"}]), encounter(), encounter("e2", period={}))
    held = b"".join(path.read_bytes() for path in lake.rglob("*") if path.is_file())
    told = " ".join(str(rows(lake, table)) for table in ("patients", "encounters", "observed"))
    for text in ("Zhang", "Mei", "13900000000", "MRN-77"):
        assert text not in told
        assert text.encode() not in held


def test_unmapped_codes_are_kept_and_counted(run: Run) -> None:
    local = {"coding": [{"system": "urn:his", "code": "XT01", "display": "血糖(空腹)"}]}
    report, lake = run(patient(), observation(id="x") | {"code": local}, observation())
    assert sum(report.unmapped.values()) == 1
    assert {each["code"] for each in rows(lake, "observations")} == {"XT01", "4548-4"}


def test_observed_says_when_the_source_watched(run: Run) -> None:
    _, lake = run(patient(), encounter(), observation(issued="2024-03-10T00:00:00Z"))
    watched = {each["table"]: (each["start"], each["end"]) for each in rows(lake, "observed")}
    whole_days = (utc(2024, 2, 29, 16), utc(2024, 3, 10, 15, 59, 59, 999999))
    assert watched == {"encounters": whole_days, "observations": whole_days}


def test_the_same_input_gives_the_same_lake_and_a_changed_one_replaces_it(run: Run) -> None:
    def digests(lake: Path) -> dict[str, str]:
        files = [path for path in lake.rglob("*") if path.is_file()]
        return {str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    _, lake = run(patient(), encounter(), observation(), pressure(70, 110))
    once = digests(lake)
    run(patient(), encounter(), observation(), pressure(70, 110))
    assert digests(lake) == once
    run(patient(), encounter("e9"))
    assert [each["event_id"] for each in rows(lake, "encounters")] == ["Encounter/e9"]
    assert not rows(lake, "observations") and not (lake / ".ingest-fhir-export").exists()


def test_bundles_and_gzip(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    entries = [{"fullUrl": f"urn:uuid:{each['id']}", "resource": each} for each in (patient(), encounter())]
    entries[1]["resource"]["subject"]["reference"] = "urn:uuid:p1"
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    (folder / "deep" / "one.json").write_text(json.dumps(bundle))
    (folder / "two.ndjson.gz").write_bytes(gzip.compress(json.dumps(observation()).encode()))
    (folder / "README.md").write_text("not FHIR")
    report = ingest("fhir", folder, tmp_path / "lake")
    assert report.read == {"Patient": 1, "Encounter": 1, "Observation": 1}
    assert len(rows(tmp_path / "lake", "observations")) == 1


def test_a_file_cut_off_leaves_the_lake_as_it_was(run: Run, tmp_path: Path) -> None:
    _, lake = run(patient(), encounter())
    whole = gzip.compress("\n".join(json.dumps(observation(id=str(n))) for n in range(2000)).encode())
    (tmp_path / "export" / "zz.ndjson.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"zz\.ndjson\.gz: the file cannot be read to its end"):
        ingest("fhir", tmp_path / "export", lake)
    assert len(rows(lake, "encounters")) == 1
    assert not list(lake.glob(".ingest-*"))


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_no_input(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no such folder|no FHIR file"):
        ingest("fhir", tmp_path / name, tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def test_a_medicine_handed_over_is_a_supply(run: Run) -> None:
    common = {"resourceType": "MedicationDispense", "subject": {"reference": "Patient/p1"}, "status": "completed"}
    common["medicationCodeableConcept"] = {"coding": [{"system": "http://hl7.org/fhir/sid/ndc", "code": "00002751001"}]}
    handed = {"whenHandedOver": "2024-03-01T10:00:00+08:00", "daysSupply": {"value": 4, "unit": "wk", "code": "wk"}}
    ordered = {"authorizingPrescription": [{"reference": "MedicationRequest/r1"}]}
    report, lake = run(
        patient(),
        common | handed | {"id": "d1"},
        common | handed | ordered | {"id": "d2"},
        common | ordered | {"id": "d3"},
        common | handed | {"id": "d4", "status": "preparation"},
    )
    assert [(each["event_id"], each["code_system"], each["days_supply"]) for each in rows(lake, "prescriptions")] == [
        ("MedicationDispense/d1", "NDC", 28.0),
        ("MedicationDispense/d2", "NDC", 28.0),
    ]
    assert report.unread["MedicationDispense (no supply stated: its MedicationRequest tells)"] == 1
    assert report.unread["MedicationDispense (not handed over)"] == 1


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ({"state": "北京市", "district": "朝阳区", "line": ["建国路1号"]}, "110105"),
        ({"text": "吉林省长春市朝阳区"}, "220104"),
        ({"city": "110105"}, "110105"),
        ({"state": "MA", "city": "Lynn"}, None),
        ({"district": "朝阳区"}, None),
    ],
)
def test_of_an_address_the_county_alone_is_kept(run: Run, address: Json, code: str | None) -> None:
    _, lake = run(patient(address=[address]), encounter())
    [row] = rows(lake, "patients")
    assert row["region_code"] == code


def test_two_rows_of_one_version_that_differ_are_set_aside_and_a_repetition_too(run: Run) -> None:
    twice = observation("4548-4", 7.1, id="o1")
    report, lake = run(patient(), twice, observation("4548-4", 7.9, id="o1"), observation("1558-6", 90, "mg/dL"))
    assert aside(report) == {"observations:contradicting_rows": 2} and len(rows(lake, "observations")) == 1
    report, lake = run(patient(), twice, twice, lake="other")
    assert aside(report) == {"observations:repeated_row": 1} and len(rows(lake, "observations")) == 1


def test_a_bundle_on_a_line_and_lines_in_a_json_file_are_read(run: Run, tmp_path: Path) -> None:
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": encounter("e7")}]}
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "more.json").write_text(json.dumps(encounter("e8")) + "\n" + json.dumps(encounter("e9")))
    report, lake = run(patient(), bundle)
    assert sorted(each["event_id"] for each in rows(lake, "encounters")) == [f"Encounter/e{n}" for n in (7, 8, 9)]
    assert not report.quarantined
