"""Codelists match what a clinician means, and a broken file is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.codes import Codelist, all_codelists, codelist, convert, normalise, read_codelists, usual_unit
from features.codes.codelist import FOLDER, rows
from features.coding import ingredient
from features.errors import InputError

# list, system of the row, code of the row, whether it belongs
MEANINGS = [
    ("diabetes", "ICD-10", "E11", True),
    ("diabetes", "ICD-10", "E11.9", True),
    ("diabetes", "ICD-10-CN", "E11.900x001", True),
    ("diabetes", "ICD-10-CM", "e11.65", True),
    ("diabetes", "ICD-10", "E10.2†N08.3*", True),
    ("diabetes", "ICD-10", "E14.3+", True),
    ("diabetes", "ICD-9-CM", "25000", True),
    ("diabetes", "ICD-9-CM", "250.00", True),
    ("diabetes", "SNOMED CT", "44054006", True),
    ("diabetes", "SNOMED CT", "440540061", False),
    ("diabetes", "ICD-10", "O24.4", False),
    ("diabetes", "ICD-9-CM", "E11", False),
    ("diabetes", "LOINC", "E11.9", False),
    ("diabetes", "local", "E11.9", False),
    ("type1_diabetes", "ICD-9-CM", "25001", True),
    ("type1_diabetes", "ICD-9-CM", "25000", False),
    ("hypertension", "ICD-10-CM", "I16.0", True),
    ("hypertension", "ICD-10", "I16.0", False),
    ("obesity", "ICD-10-CM", "E66.01", True),
    ("obesity", "ICD-10-CM", "E66.3", False),
    ("chronic_kidney_disease", "ICD-10", "N18.3", True),
    ("stroke", "ICD-9-CM", "43491", True),
    ("stroke", "ICD-9-CM", "43490", False),
    ("cancer", "ICD-10", "C50.919", True),
    ("cancer", "ICD-10", "D05.1", False),
    ("antihypertensives", "ATC", "C09AA05", True),
    ("antidiabetics", "ATC", "A10AE04", True),
    ("metformin", "ATC", "A10BA02", True),
    ("metformin", "ATC", "A10BB01", False),
    ("statins", "RxNorm", "83367", True),
    ("statins", "RxNorm", "833", False),
    ("hba1c", "LOINC", "4548-4", True),
    ("fev1", "LOINC", "20152-5", True),
]


@pytest.mark.parametrize(("name", "system", "code", "belongs"), MEANINGS)
def test_a_code_means_what_a_clinician_means(name: str, system: str, code: str, belongs: bool) -> None:
    assert codelist(name).matches(system, code) is belongs


@pytest.mark.parametrize(("system", "code"), [(None, "E11.9"), ("", "E11.9"), ("ICD-10", None), ("ICD-10", "")])
def test_a_missing_system_or_code_is_not_matched(system: str | None, code: str | None) -> None:
    assert not codelist("diabetes").matches(system, code)


def test_normalising_keeps_the_placeholder_x_of_icd_10_cm() -> None:
    assert normalise("ICD-10-CM", "W19.XXXA") == "W19XXXA"
    assert normalise("ICD-10", "E11.900x001") == "E11900"
    assert normalise("LOINC", " 4548-4 ") == "4548-4"


def test_the_digest_follows_the_codes_and_not_the_names() -> None:
    one = Codelist("a", "甲", "a", "", frozenset({("ICD-10", "E11")}))
    renamed = Codelist("a", "乙", "b", "", frozenset({("ICD-10", "E11")}))
    wider = Codelist("a", "甲", "a", "", frozenset({("ICD-10", "E11"), ("ICD-10", "E12")}))
    assert one.digest == renamed.digest != wider.digest


def test_every_list_is_named_in_both_languages_and_observations_have_a_unit() -> None:
    for each in all_codelists():
        assert each.zh and each.en and each.entries, each.name
        assert each.kind in {"diagnosis", "observation", "medicine"}, each.name
        if each.kind == "observation" and each.name != "smoking_status":
            assert each.unit, each.name


def test_no_code_stands_in_two_observations() -> None:
    seen: dict[tuple[str, str], str] = {}
    for each in all_codelists():
        for entry in each.entries if each.kind == "observation" else ():
            assert entry not in seen, f"{entry} in {each.name} and {seen[entry]}"
            seen[entry] = each.name


def test_an_unknown_list_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'hba1c'"):
        codelist("hba1")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ICD-10,E11,糖尿病", "gout.csv line 2: 3 cells for 4 columns"),
        ("ICD-11,5A11,糖尿病,diabetes", "gout.csv line 2: no code system 'ICD-11'"),
        ("ICD-10,,糖尿病,diabetes", "gout.csv line 2: 'code' is empty"),
        ("ICD-10,M10,痛风,gout\nICD-10,M10,痛风,gout", "gout.csv line 3: ICD-10 M10 twice"),
        ('ICD-10,"M10,痛风,gout', "gout.csv line 2"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "index.csv").write_text("name,zh,en,unit,kind,basis\ngout,痛风,gout,,diagnosis,\n", encoding="utf-8")
    (tmp_path / "gout.csv").write_text(f"code_system,code,zh,en\n{line}\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_codelists(tmp_path)
    assert told in str(caught.value)


def test_a_hospital_adds_a_list_of_its_own_by_two_files(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("name,zh,en,unit,kind,basis\ngout,痛风,gout,,diagnosis,\n", encoding="utf-8")
    (tmp_path / "gout.csv").write_text("code_system,code,zh,en\nICD-10,M10,痛风,gout\n", encoding="utf-8")
    assert read_codelists(tmp_path)["gout"].matches("ICD-10-CN", "M10.900x002")


@pytest.mark.parametrize(
    ("name", "unit", "value", "expected"),
    [
        ("hba1c", "mmol/mol", 53.0, 7.0),
        ("hba1c", "%", 7.0, 7.0),
        ("glucose_random", "mg/dL", 126.0, 7.0),
        ("creatinine", "mg/dL", 1.0, 88.4),
        ("creatinine", "µmol/L", 88.4, 88.4),
        ("ldl", "mg/dL", 100.0, 2.59),
        ("systolic", "mm[Hg]", 120.0, 120.0),
        ("systolic", "kPa", 16.0, 120.0),
        ("egfr", "mL/min/{1.73_m2}", 60.0, 60.0),
        ("bmi", "kg/m²", 24.0, 24.0),
        ("leukocytes", "/uL", 7000.0, 7.0),
        ("weight", "斤", 120.0, 60.0),
        ("body_temperature", "[degF]", 98.6, 37.0),
    ],
)
def test_units_are_converted(name: str, unit: str, value: float, expected: float) -> None:
    found = convert(name, unit)
    assert found is not None
    assert value * found[0] + found[1] == pytest.approx(expected, abs=0.05)


def test_a_unit_without_a_conversion_is_not_guessed() -> None:
    assert convert("fev1", "L") is None
    assert convert("hba1c", None) is None
    assert convert("smoking_status", "%") is None


@pytest.mark.parametrize(
    ("system", "codes"),
    [
        ("ICD-10", "E11.9 E78.5 I10 I25.1 I50.9 I63.9 J44.9 N18.3 M81.9 F32.9 E66.9 J06.9 M54.5 S93.4 A09 K29.7"),
        ("LOINC", "4548-4 14771-0 14749-6 8480-6 8462-4 39156-5 29463-7 8302-2 8280-0 22748-8 14646-4 14647-2"),
        ("LOINC", "14927-8 14682-9 98979-8 8867-4 20152-5 72166-2"),
        ("ATC", "A10BA02 A10BD A10AE04 C08CA01 C09AA05 C10AA05 B01AC06 R03BB04 J01CA04"),
    ],
)
def test_the_codes_of_the_sample_hospital_are_all_known(system: str, codes: str) -> None:
    for code in codes.split():
        assert any(each.matches(system, code) for each in all_codelists()), code


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet", "6809"),
        ("amlodipine 2.5 MG Oral Tablet", "17767"),
        ("Acetaminophen 325 MG / Simvastatin 10 MG Oral Tablet", "36567"),
        ("NDA020503 200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler", "435"),
        ("ciprofloxacin 3 MG/ML Ophthalmic Solution", None),
        ("acetaminophen 325 MG Oral Tablet", None),
        (None, None),
    ],
)
def test_a_medicine_of_rxnorm_is_known_by_its_ingredient(name: str | None, code: str | None) -> None:
    assert ingredient(name) == code


def test_a_national_drug_code_matches_by_its_product() -> None:
    insulin = codelist("insulin")
    assert insulin.matches("NDC", "00002751001") and insulin.matches("NDC", "0002-7510-01")
    assert not insulin.matches("NDC", "00338004904") and not insulin.matches("RxNorm", "00002751001")


def test_the_usual_unit_of_a_code_can_be_converted() -> None:
    told = rows(FOLDER / "usual_units.csv", ("code_system", "code", "unit", "basis"))
    for line, (system, code, unit, _) in told:
        found = next(each for each in all_codelists() if each.matches(system, code))
        assert convert(found.name, unit) is not None, f"line {line}: {code} in {unit}"
        assert usual_unit(system, code) == unit
    named = {code for each in all_codelists() if each.unit for system, code in each.entries if system == "LOINC"}
    assert {code for code in named if usual_unit("LOINC", code) is None} <= {"11977-6"}
