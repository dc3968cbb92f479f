"""Local codes: written out to be mapped, and read back at the next ingest."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.errors import InputError
from features.ingest import ingest
from features.unmapped import nearest

RUNNER = CliRunner()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Three results under a local code in a local unit, one under LOINC."""
    folder = tmp_path / "his"
    folder.mkdir()
    local = {"coding": [{"system": "urn:his", "code": "XT01", "display": "空腹血糖"}]}
    loinc = {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]}
    common = {"resourceType": "Observation", "subject": {"reference": "Patient/p1"}, "status": "final"}
    common["effectiveDateTime"] = "2024-03-01T00:00:00Z"
    resources = [{"resourceType": "Patient", "id": "p1", "birthDate": "1960-01-01"}]
    resources += [
        common | {"id": f"o{n}", "code": local, "valueQuantity": {"value": 90 + n, "unit": "毫克/分升"}}
        for n in range(3)
    ]
    resources.append(common | {"id": "o9", "code": loinc, "valueQuantity": {"value": 6.1, "unit": "%"}})
    (folder / "all.ndjson").write_text("\n".join(map(json.dumps, resources)), encoding="utf-8")
    return folder


def test_a_local_code_is_mapped_by_the_file_that_was_written_for_it(export: Path, tmp_path: Path) -> None:
    lake, out = tmp_path / "lake", tmp_path / "to_map.csv"
    ingest("fhir", export, lake)
    answer = RUNNER.invoke(app, ["codes", "--unmapped", "--lake", str(lake), "--out", str(out)])
    assert answer.exit_code == 0 and "1 codes on 3 rows" in answer.output
    [row] = list(csv.DictReader(out.open(encoding="utf-8")))
    assert (row["code_system"], row["code"], row["display"], row["rows"]) == ("urn:his", "XT01", "空腹血糖", "3")
    assert row["near_1"].startswith("glucose_fasting: LOINC")
    assert row["near_2"] and row["near_3"]

    row |= {"to_system": "LOINC", "to_code": "1558-6", "unit_to": "mg/dL", "reviewer": "r1", "date": "2025-01-01"}
    with (lake / "codemap.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    report = ingest("fhir", export, lake)
    held = pq.read_table(lake / "observations").to_pylist()
    mapped = [each for each in held if each["code"] == "1558-6"]
    assert [(each["code_system"], each["unit"]) for each in mapped] == [("LOINC", "mmol/L")] * 3
    assert mapped[0]["value"] == pytest.approx(90 * 0.0555)
    assert not report.unmapped and len(report.document()["codemap"]) == 64


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("code_system,code\n", "column 'display' is missing"),
        ("{header}\nurn:his,XT01,,,,1558-6,,r,d\n", "codemap.csv line 2: to_code without to_system"),
        (
            "{header}\nurn:his,XT01,,,LOINC,1558-6,,r,d\nurn:his,XT01,,,LOINC,2345-7,,r,d\n",
            "line 3: the code is mapped twice",
        ),
    ],
)
def test_a_code_map_that_cannot_be_read(export: Path, tmp_path: Path, text: str, said: str) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    header = "code_system,code,display,unit,to_system,to_code,unit_to,reviewer,date"
    (lake / "codemap.csv").write_text(text.format(header=header), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        ingest("fhir", export, lake)


def test_the_command_prints_what_it_met(export: Path, tmp_path: Path) -> None:
    answer = RUNNER.invoke(app, ["ingest", "fhir", str(export), "--lake", str(tmp_path / "lake")])
    assert answer.exit_code == 0
    for text in ("Observation                                4", "observations", "unmapped codes", "_quarantine"):
        assert text in answer.output


def test_the_report_is_a_page_with_plots_too(export: Path, tmp_path: Path) -> None:
    local = json.loads((export / "all.ndjson").read_text(encoding="utf-8").splitlines()[1])
    local["code"]["coding"][0] |= {"code": "XT02", "display": "<script>alert(1)</script>"}
    wrong = local | {"id": "bad", "effectiveDateTime": "soon"}
    with (export / "all.ndjson").open("a", encoding="utf-8") as file:
        file.write("\n" + json.dumps(local | {"id": "other"}) + "\n" + json.dumps(wrong))
    ingest("fhir", export, tmp_path / "lake")
    page = (tmp_path / "lake" / "_quarantine" / "fhir-his" / "report.html").read_text(encoding="utf-8")
    for text in ("observations: unreadable_time", "5 rows, 2024 to 2024", "XT01 空腹血糖", "<svg", "&lt;script&gt;"):
        assert text in page
    assert "<script" not in page and "http" not in page


@pytest.mark.parametrize(
    ("table", "name", "entry"),
    [
        ("observations", "空腹葡萄糖", "glucose_fasting: LOINC"),
        ("observations", "糖化血红蛋白A1c", "hba1c: LOINC"),
        ("observations", "谷丙转氨酶", "alt: LOINC"),
        ("diagnoses", "2型糖尿病", "diabetes: ICD-10 E11"),
        ("diagnoses", "脑梗死", "stroke: ICD-10 I63"),
        ("prescriptions", "盐酸二甲双胍片", "antidiabetics: RxNorm 6809"),
        ("prescriptions", "阿托伐他汀钙片", "statins: RxNorm 83367"),
    ],
)
def test_chinese_names_of_items_and_medicines_find_their_entry(table: str, name: str, entry: str) -> None:
    near = nearest(table, name)
    assert len(near) == 3 and any(each.startswith(entry) for each in near)
