"""One person, one record: the same people through FHIR and a table of the HIS, and nothing personal in the lake."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.errors import InputError
from features.identity.keyfile import IdentityKeyFile
from features.identity.vault import Vault
from features.ingest import ingest
from features.lake import Lake

LI, WANG = "11010519491231002X", "440524188001010014"
PLANTED = (
    "李小明",
    "李 小明",
    "王芳",
    LI,
    WANG,
    "13800138000",
    "+86 138 0013 8000",
    "13912345678",
    "pt-1",
    "pt-2",
    "H0001",
)
MAPPING = """
system: his
tables:
  - file: 患者.csv
    table: patients
    columns: {patient_id: 病人ID, birth_date: 出生日期, sex: 性别, name: 姓名, identity_number: 身份证号, phone: 手机}
  - file: 就诊.csv
    table: encounters
    columns: {patient_id: 病人ID, event_id: 就诊号, time: 就诊时间, kind: 就诊类型}
"""
PEOPLE = f"""病人ID,出生日期,性别,姓名,身份证号,手机
H0001,1949-12-31,男,李小明,{LI},13800138000
H0002,1880-01-01,女,王芳,,13912345678
H0003,1990-05-05,女,王芳,{WANG},13700000000
"""
VISITS = """病人ID,就诊号,就诊时间,就诊类型
H0001,V1,2024-03-01 09:00,门诊
H0002,V2,2024-03-02 09:00,门诊
H0003,V3,1989-03-02 09:00,门诊
H0009,V9,2024-03-02 09:00,门诊
"""


def patient(own: str, name: str, number: str, phone: str, born: str) -> dict[str, Any]:
    typed = {"type": {"coding": [{"code": "NNCHN"}]}, "value": number}
    return {
        "resourceType": "Patient", "id": own, "gender": "male", "birthDate": born,
        "name": [{"use": "official", "family": name[0], "given": [name[1:]]}],
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": f"MRN-{own}"}, typed],
        "telecom": [{"system": "phone", "use": "mobile", "value": phone}],
    }  # fmt: skip


def visit(own: str, number: str, day: str) -> dict[str, Any]:
    period = {"start": f"{day}T09:00:00+08:00", "end": f"{day}T09:30:00+08:00"}
    return {
        "resourceType": "Encounter", "id": number, "status": "finished", "class": {"code": "AMB"},
        "subject": {"reference": f"Patient/{own}"}, "period": period,
    }  # fmt: skip


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two systems that know the same people, a state folder and a folder of keys."""
    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CAREPATH_KEYS", str(tmp_path / "keys"))
    his, emr = tmp_path / "his", tmp_path / "emr"
    his.mkdir()
    emr.mkdir()
    (his / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    (his / "患者.csv").write_text(PEOPLE, encoding="gbk")
    (his / "就诊.csv").write_text(VISITS, encoding="utf-8")
    records = [
        patient("pt-1", "李小明", LI, "+86 138 0013 8000", "1949-12-31"),
        patient("pt-2", "王芳", WANG, "13912345678", "1880-01-01"),
        visit("pt-1", "e1", "2024-02-01"),
        visit("pt-2", "e2", "2024-02-02"),
    ]
    lines = "\n".join(json.dumps(each, ensure_ascii=False) for each in records)
    (emr / "all.ndjson").write_text(lines, encoding="utf-8")
    return tmp_path


def said(folder: Path) -> str:
    """Return everything that the files of a folder say: Parquet by its cells, all else as it stands."""
    found = []
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        if file.suffix == ".parquet":
            found.append(json.dumps(pq.read_table(file).to_pylist(), default=str, ensure_ascii=False))
        else:
            found.append(file.read_text(encoding="utf-8"))
    return "\n".join(found)


def both(world: Path) -> Lake:
    ingest("fhir", world / "emr", world / "lake", system="emr")
    ingest("tabular", world / "his", world / "lake")
    return Lake(world / "lake")


def surrogate(world: Path, system: str, own: str) -> str:
    vault = Vault(world / "home" / "identities.db", IdentityKeyFile())
    found = vault.resolve(system, own).patient_id
    vault.close()
    assert found is not None
    return found


def test_the_same_person_of_two_systems_is_one_record(world: Path) -> None:
    lake = both(world)
    assert surrogate(world, "emr", "pt-1") == surrogate(world, "his", "H0001")
    visits = lake.read("encounters", ("patient_id", "event_id"))
    of_li = {row["event_id"] for row in visits.to_pylist() if row["patient_id"] == surrogate(world, "his", "H0001")}
    assert of_li == {"Encounter/e1", "visit/V1"}
    assert surrogate(world, "emr", "pt-2") != surrogate(world, "his", "H0001")


def test_nothing_personal_is_in_the_lake_its_quarantine_or_what_is_printed(world: Path) -> None:
    printed = ""
    for words in (["fhir", str(world / "emr"), "--system", "emr"], ["tabular", str(world / "his")]):
        ran = CliRunner().invoke(app, ["ingest", *words, "--lake", str(world / "lake")])
        assert ran.exit_code == 0, ran.output
        printed += ran.output
    assert "birth_date_after_visit" in printed and "unknown_patient" in printed and "to review:" in printed
    told = said(world / "lake") + printed + "".join(str(each) for each in (world / "lake").rglob("*"))
    assert [each for each in (*PLANTED, "H0002", "H0003", "H0009", "MRN-") if each in told] == []
    ids = (world / "home" / "identities.db").read_bytes()
    assert not any(each.encode() in ids for each in PLANTED)


def test_what_nearly_agrees_is_reviewed_and_never_merged(world: Path) -> None:
    both(world)
    assert surrogate(world, "his", "H0003") == surrogate(world, "emr", "pt-2"), "name and number agree"
    review = world / "home" / "to_review-tabular-his.csv"
    assert stat.S_IMODE(review.stat().st_mode) == 0o600
    assert "王芳" not in review.read_text(encoding="utf-8-sig")
    (world / "his" / "患者.csv").write_text(PEOPLE.replace("李小明", "李晓明"), encoding="utf-8")
    (world / "his2").mkdir()
    for file in (world / "his").iterdir():
        renamed = file.read_text(encoding="utf-8").replace("H000", "K000")
        (world / "his2" / file.name).write_text(renamed, encoding="utf-8")
    ingest("tabular", world / "his2", world / "lake", system="lis")
    assert surrogate(world, "lis", "K0001") != surrogate(world, "his", "H0001")
    lines = (world / "home" / "to_review-tabular-his2.csv").read_text(encoding="utf-8-sig")
    assert "name_differs" in lines and "K0001" in lines


def test_again_gives_the_same_bytes(world: Path) -> None:
    both(world)
    before = {file: file.read_bytes() for file in (world / "lake").rglob("*.parquet")}
    both(world)
    assert {file: file.read_bytes() for file in (world / "lake").rglob("*.parquet")} == before


def test_who_proves_to_be_the_same_is_one_in_the_lake_too(world: Path) -> None:
    """First without a phone, so two people; once the number comes the rows of both are one's."""
    people = "病人ID,出生日期,性别,姓名,身份证号,手机\nH0001,1949-12-31,男,李小明,,\n"
    (world / "his" / "患者.csv").write_text(people, encoding="utf-8")
    lake = both(world)
    assert len(set(lake.read("patients")["patient_id"].to_pylist())) == 3
    (world / "his" / "患者.csv").write_text(PEOPLE, encoding="utf-8")
    ingest("tabular", world / "his", world / "lake")
    li = surrogate(world, "his", "H0001")
    visits = Lake(world / "lake").read("encounters").to_pylist()
    assert {row["event_id"] for row in visits if row["patient_id"] == li} == {"Encounter/e1", "visit/V1"}
    assert surrogate(world, "emr", "pt-1") == li


def test_a_mapping_that_names_persons_says_whose_ids_these_are(world: Path) -> None:
    (world / "his" / "mapping.yaml").write_text(MAPPING.replace("system: his", ""), encoding="utf-8")
    with pytest.raises(InputError, match="add 'system: his'"):
        ingest("tabular", world / "his", world / "lake")
    with pytest.raises(InputError, match="did you mean 'his'"):
        ingest("tabular", world / "his", world / "lake", system="hiss")
    assert not (world / "lake").exists() or Lake(world / "lake").tables() == ()


def test_without_a_system_ids_stay_as_they_are(world: Path) -> None:
    ingest("fhir", world / "emr", world / "lake")
    assert set(Lake(world / "lake").read("patients")["patient_id"].to_pylist()) == {"pt-1", "pt-2"}
    assert not (world / "home").exists()
    assert "李" not in said(world / "lake")


def test_an_erased_person_does_not_come_back_with_the_same_export(world: Path) -> None:
    """Nothing is learnt of the person, no row is kept, and the report counts what was left out."""
    first = both(world)
    vault = Vault(world / "home" / "identities.db", IdentityKeyFile())
    gone = str(vault.resolve("his", "H0001").patient_id)
    assert gone in first.read("encounters", columns=["patient_id"])["patient_id"].to_pylist()
    assert vault.forget(gone) == 2
    assert "H0001" not in said_of(world / "home" / "identities.db")
    for source, folder, system in (("fhir", "emr", "emr"), ("tabular", "his", None)):
        report = ingest(source, world / folder, world / "again", system=system)
        rows = {name: count for (name, reason), count in report.quarantined.items() if reason == "erased_person"}
        assert rows == {"encounters": 1, "patients": 1}
    assert (vault.resolve("his", "H0001").patient_id, vault.resolve("emr", "pt-1").patient_id) == (None, None)
    told = said(world / "again")
    assert not any(word in told for word in PLANTED)
    assert vault.readmit("his", " H0001 ") and not vault.readmit("his", "H0001")
    ingest("tabular", world / "his", world / "again")
    fresh = vault.resolve("his", "H0001").patient_id
    assert fresh not in (None, gone)
    vault.close()


def said_of(file: Path) -> str:
    return "".join(each.read_bytes().decode("latin-1") for each in file.parent.glob(f"{file.name}*"))
