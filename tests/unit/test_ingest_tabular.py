"""Exports of HIS, EMR and LIS: Chinese headers, GBK, dates and units as people write them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.errors import InputError
from features.ingest import ingest

Json = dict[str, Any]

DOCUMENTED = (Path(__file__).resolve().parents[2] / "docs" / "ingest.md").read_text(encoding="utf-8")
MAPPING = DOCUMENTED.partition("```yaml\n")[2].partition("```")[0]
"""The mapping that the page shows whole."""


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """An HIS export in GBK, an EMR export with a byte order mark, an LIS export in Excel, and the mapping."""
    folder = tmp_path / "医院导出"
    folder.mkdir()
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    people = (
        "病人ID,出生日期,性别,住址,医保类型,建档日期\n"
        "A1,1960年5月4日,女,北京市朝阳区,职工医保,2020/1/2\n"
        "A2,1975/12/1,男,,自费,\n"
    )
    (folder / "患者.csv").write_bytes(people.encode("gbk"))
    visits = (
        "病人ID,就诊号,就诊时间,结束时间,就诊类型,状态,科室,总费用\n"
        'A1,V1,2024/3/5 08:10,2024/3/5 08:40,门诊,诊毕,内分泌科,"1,234.50"\n'
        "A2,V2,2024年3月6日,2024年3月9日 10:00,住院,出院,心内科,9000\n"
        "A2,V3,2024-04-01 09:00,,门诊,爽约,心内科,\n"
    )
    (folder / "就诊2024.csv").write_bytes(visits.encode("gb18030"))
    diagnoses = (
        "病人ID\t诊断号\t诊断日期\t就诊号\t诊断编码\t诊断名称\t作废\n"
        "A1\tD1\t2024年3月5日\tV1\tE11.900x001\t2型糖尿病\t\n"
        "A2\tD2\t2024年3月6日\tV2\tI10.x00\t高血压\t是\n"
    )
    (folder / "诊断.csv").write_text(diagnoses, encoding="utf-8-sig")
    book = openpyxl.Workbook()
    book.create_sheet("封面", 0)
    sheet = book.create_sheet("结果")
    sheet.append(["病人ID", "结果号", "采集时间", "报告时间", "项目代码", "项目名称", "结果", "单位"])
    sheet.append(["A1", 1, datetime(2024, 3, 5, 8, 20), datetime(2024, 3, 6, 9, 0), "GLU", "葡萄糖", 6.1, "mmol/L"])
    sheet.append(
        ["A1", 2, datetime(2024, 3, 5, 8, 20), datetime(2024, 3, 6, 9, 0), "HBsAg", "乙肝表面抗原", "阴性", None]
    )
    sheet.append(["A2", 3, "2024-03-06", "2024-03-05", "CRP", "C反应蛋白", "<0.5↓", "mg/L"])
    book.save(folder / "检验.xlsx")
    return folder


def rows(lake: Path, table: str) -> list[Json]:
    return pq.read_table(lake / table).to_pylist() if (lake / table).is_dir() else []


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def end_of(year: int, month: int, day: int) -> datetime:
    """The end of a day in Shanghai."""
    return utc(year, month, day, 15, 59, 59, 999999)


def test_a_whole_export(export: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    answer = CliRunner().invoke(app, ["ingest", "tabular", str(export), "--lake", str(lake)])
    assert answer.exit_code == 0, answer.output
    assert next((lake / "patients").iterdir()).name == "tabular-医院导出.parquet"
    first, second = rows(lake, "patients")
    assert (first["sex"], first["region_code"], first["insurance"]) == ("female", "110105", "职工医保")
    assert (first["birth_date"], first["known_at"]) == (end_of(1960, 5, 4), end_of(2020, 1, 2))
    assert (second["sex"], second["region_code"], second["known_at"]) == ("male", None, end_of(2024, 3, 6))

    visits = {(each["event_id"], each["version"]): each for each in rows(lake, "encounters")}
    visit = visits["visit/V1", 1]
    assert (visit["time"], visit["known_at"], visit["kind"]) == (
        utc(2024, 3, 5, 0, 10),
        utc(2024, 3, 5, 0, 40),
        "outpatient",
    )
    assert (visit["status"], visit["department"], visit["fee"]) == ("finished", "内分泌科", 1234.5)
    assert visits["visit/V2", 1]["status"] == "in_progress" and visits["visit/V2", 1]["known_at"] == end_of(2024, 3, 6)
    assert visits["visit/V2", 2]["end"] == utc(2024, 3, 9, 2) and visits["visit/V3", 1]["status"] == "no_show"

    diabetes, pressure = rows(lake, "diagnoses")
    assert (diabetes["code_system"], diabetes["code"], diabetes["void"]) == ("ICD-10", "E11.900x001", False)
    assert diabetes["known_at"] == utc(2024, 3, 6, 15, 59, 59, 999999) and pressure["void"] is True
    assert pressure["known_at"] == utc(2024, 3, 9, 2)

    glucose, antigen, crp = rows(lake, "observations")
    assert (glucose["time"], glucose["known_at"]) == (utc(2024, 3, 5, 0, 20), utc(2024, 3, 6, 1))
    assert (glucose["value"], glucose["unit"], glucose["code"], glucose["display"]) == (6.1, "mmol/L", "GLU", "葡萄糖")
    assert (antigen["value"], antigen["text"]) == (None, "阴性")
    assert (crp["value"], crp["text"]) == (0.5, "<")
    assert crp["known_at"] == end_of(2024, 3, 7), "a report before the sample is not plausible: time and lag"


def test_the_same_in_parquet_and_a_wide_check_up(tmp_path: Path) -> None:
    folder = tmp_path / "exam"
    folder.mkdir()
    pq.write_table(
        pa.table({"id": [7, 8], "day": ["20240305", "20240306"], "sbp": [128.0, None], "dbp": [82, 70]}),
        folder / "exam.parquet",
    )
    (folder / "m.yml").write_text(
        """
tables:
  - file: exam.parquet
    table: observations
    columns: {patient_id: id, time: day}
    wide:
      sbp: {code_system: LOINC, code: 8480-6, unit: mmHg}
      dbp: {code_system: LOINC, code: 8462-4, unit: mmHg}
"""
    )
    report = ingest("tabular", folder, tmp_path / "lake")
    assert not report.quarantined, "nobody keeps a record of persons, so everybody is known"
    assert [(each["patient_id"], each["code"], each["value"]) for each in rows(tmp_path / "lake", "observations")] == [
        ("7", "8480-6", 128.0),
        ("7", "8462-4", 82.0),
        ("8", "8462-4", 70.0),
    ]
    assert {each["patient_id"] for each in rows(tmp_path / "lake", "observed")} == {"7", "8"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("sex: 性别", "sex: 性别x", r"患者.csv: no column '性别x'; did you mean '性别'\?"),
        ("sheet: 结果", "sheet: 结", r"检验.xlsx: no sheet '结'; did you mean '结果'\?"),
        ("file: 诊断.csv", "file: 诊断1.csv", r"no file '诊断1.csv'; did you mean '诊断.csv'\?"),
        ("table: diagnoses", "table: diagnosis", r"no table 'diagnosis'; did you mean 'diagnoses'\?"),
        ("fee: 总费用", "fees: 总费用", r"table encounters has no column 'fees'; did you mean 'fee'\?"),
        ("sheet: 结果", "sheat: 结果", r"no key 'sheat'; did you mean 'sheet'\?"),
        ("{value: LIS}", "{values: LIS}", r"no key 'values'; did you mean 'value'\?"),
        ("zone: Asia/Shanghai", "zone: Asia/Shanghay", "no time zone 'Asia/Shanghay'"),
        (
            "      patient_id: 病人ID\n      birth",
            "      birth",
            "names no column for patient_id; add 'patient_id: ...'",
        ),
        ("tables:\n", "tables: [\n", "mapping.yaml: cannot be read"),
        ("      time: 就诊时间\n", "", "names no column for time; add 'time: ...'"),
        ("time: 采集时间", "time: {value: yesterday}", "columns.time: 'value' is no time; write 2012-01-01, say"),
    ],
)
def test_a_mistake_in_the_mapping_names_the_nearest(
    export: Path, tmp_path: Path, old: str, new: str, said: str
) -> None:
    assert old in MAPPING
    (export / "mapping.yaml").write_text(MAPPING.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=said):
        ingest("tabular", export, tmp_path / "lake")
    assert not (tmp_path / "lake").exists()


def test_a_catalogue_of_contents(tmp_path: Path) -> None:
    folder = tmp_path / "portal"
    folder.mkdir()
    lines = (
        "编号,标题,主题,发布日期,适龄,敏感\nc1,低盐食谱,饮食；高血压,2024年3月5日,18,否\n,无名,饮食,2024年3月5日,,\n"
    )
    (folder / "内容.csv").write_bytes(lines.encode("gbk"))
    mapping = "tables: [{file: 内容.csv, table: contents, columns: {content_id: 编号, title: 标题, topics: 主题, "
    (folder / "mapping.yaml").write_text(mapping + "published_at: 发布日期, min_age: 适龄, sensitive: 敏感}}]\n")
    report = ingest("tabular", folder, tmp_path / "lake")
    [item] = rows(tmp_path / "lake", "contents")
    assert (item["title"], item["topics"], item["min_age"]) == ("低盐食谱", ["饮食", "高血压"], 18.0)
    assert item["published_at"] == end_of(2024, 3, 5) and item["sensitive"] is False
    assert report.quarantined == {("contents", "missing_content_id"): 1}


def test_cells_that_cannot_be_read_are_set_aside(export: Path, tmp_path: Path) -> None:
    lines = (
        "病人ID,就诊号,就诊时间,结束时间,就诊类型,状态,科室,总费用\n"
        "A1,V1,昨天,,门诊,诊毕,,\nA1,V2,2024/3/5,,门诊,诊毕,,很多\n"
        "A1,V3,2024/3/5,,门诊,诊毕,,-1\nB9,V4,2024/3/5,,门诊,诊毕,,\n"
    )
    (export / "就诊2024.csv").write_bytes(lines.encode("gbk"))
    report = ingest("tabular", export, tmp_path / "lake")
    assert {reason: count for (table, reason), count in report.quarantined.items() if table == "encounters"} == {
        "unreadable_time": 1,
        "malformed_resource": 1,
        "negative_fee": 1,
        "unknown_patient": 1,
    }


def test_what_says_that_nothing_is_known_is_empty_and_money_may_say_so(export: Path, tmp_path: Path) -> None:
    lines = (
        "病人ID,就诊号,就诊时间,结束时间,就诊类型,状态,科室,总费用\n"
        'A1,V1,2024/3/5,—,门诊,诊毕,NULL,"￥1,234.50"\nA1,V2,2024/3/6,--,门诊,诊毕,内科,12元\n'
        "A1,V3,2024/3/7,NULL,门诊,诊毕,内科,-\nA1,V4,2024/3/8,明天,门诊,诊毕,内科,\nA1,V5,2024/3/9,,门诊,天知道,内科,\n"
    )
    (export / "就诊2024.csv").write_bytes(lines.encode("gbk"))
    report = ingest("tabular", export, tmp_path / "lake")
    visits = {row["event_id"]: row for row in rows(tmp_path / "lake", "encounters")}
    assert [visits[f"visit/V{each}"]["fee"] for each in (1, 2, 3)] == [1234.5, 12.0, None]
    assert visits["visit/V1"]["department"] is None and visits["visit/V2"]["end"] is None
    assert report.quarantined == {("encounters", "unreadable_time"): 1, ("encounters", "unknown_word"): 1}
    aside, word = (
        (tmp_path / "lake" / "_quarantine" / report.name / "encounters.ndjson").read_text("utf-8").splitlines()
    )
    assert json.loads(aside)["column"] == "结束时间" and "明天" not in aside
    assert json.loads(word)["column"] == "状态" and "天知道" not in word


def test_a_wrong_encoding_is_named(export: Path, tmp_path: Path) -> None:
    (export / "mapping.yaml").write_text(MAPPING.replace("file: 患者.csv", "encoding: ascii\n    file: 患者.csv"))
    with pytest.raises(InputError, match=r"患者.csv: is not ascii text throughout; state its encoding"):
        ingest("tabular", export, tmp_path / "lake")
    (export / "mapping.yaml").write_text(MAPPING.replace("file: 患者.csv", "encoding: gkb\n    file: 患者.csv"))
    with pytest.raises(InputError, match="unknown encoding: gkb"):
        ingest("tabular", export, tmp_path / "lake")


def test_there_is_one_mapping(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(InputError, match=r"no mapping; write mapping.yaml"):
        ingest("tabular", tmp_path / "x", tmp_path / "lake")


def test_times_that_count_from_an_instant(tmp_path: Path) -> None:
    """De-identified stays in minutes since admission; what is no number is set aside."""
    mapping = """
zone: UTC
tables:
  - file: stays.csv
    table: observations
    columns:
      patient_id: RecordID
      time: {column: Minute, since: 2012-01-01, unit: minutes}
      known_at: {column: Minute, since: 2012-01-01, unit: minutes}
      code_system: {value: PHYSIONET2012}
      code: Parameter
      value: Value
"""
    folder = tmp_path / "stays"
    folder.mkdir()
    (folder / "mapping.yaml").write_text(mapping, encoding="utf-8")
    (folder / "stays.csv").write_text(
        "RecordID,Minute,Parameter,Value\n1,0,HR,73\n1,90,HR,75\n1,soon,HR,75\n", encoding="utf-8"
    )
    report = ingest("tabular", folder, tmp_path / "lake")
    assert [row["time"] for row in rows(tmp_path / "lake", "observations")] == [
        datetime(2012, 1, 1, tzinfo=UTC), datetime(2012, 1, 1, 1, 30, tzinfo=UTC)
    ]  # fmt: skip
    assert report.quarantined == {("observations", "unreadable_time"): 1}
    (folder / "mapping.yaml").write_text(mapping.replace("since: 2012-01-01", "since: the admission"))
    with pytest.raises(InputError, match="'since' is no time"):
        ingest("tabular", folder, tmp_path / "lake")


def test_reading_dated_ahead_of_the_ingest_is_set_aside_and_ends_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    today = datetime.now(UTC).date()
    (folder / "reading.csv").write_text(
        f"user,item,at\nu1,a,2024-03-05 10:00\nu1,b,{today}\nu2,a,2999-01-01 08:00\n", encoding="utf-8"
    )
    (folder / "mapping.yaml").write_text(
        "tables:\n"
        "  - {file: reading.csv, table: interactions, columns: {patient_id: user, content_id: item, time: at}}\n"
    )
    report = ingest("tabular", folder, tmp_path / "lake")
    assert report.quarantined == {("interactions", "dated_ahead"): 1}
    rows = pq.read_table(tmp_path / "lake" / "interactions").to_pylist()
    assert [row["content_id"] for row in rows] == ["a", "b"], "today's bare date, which ends tonight, passes"
    assert max(row["end"] for row in pq.read_table(tmp_path / "lake" / "observed").to_pylist()).year < 2999


def test_a_log_in_milliseconds_and_items_dated_in_english(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "log.csv").write_text("user,item,ms\nu1,a,881250949123\n")
    (folder / "items.csv").write_text("item,out\na,15-Feb-1996\nb,1 January 1995\nc,15-Foo-1996\n")
    (folder / "mapping.yaml").write_text(
        "zone: UTC\ntables:\n"
        "  - file: log.csv\n    table: interactions\n    columns:\n"
        "      {patient_id: user, content_id: item, time: {column: ms, since: 1970-01-01, unit: milliseconds}}\n"
        "  - {file: items.csv, table: contents, columns: {content_id: item, published_at: out}}\n"
    )
    report = ingest("tabular", folder, tmp_path / "lake")
    [touch] = rows(tmp_path / "lake", "interactions")
    assert touch["time"] == datetime(1997, 12, 4, 15, 55, 49, 123000, tzinfo=UTC)
    out = {row["content_id"]: row["published_at"].date().isoformat() for row in rows(tmp_path / "lake", "contents")}
    assert out == {"a": "1996-02-15", "b": "1995-01-01"}
    assert report.quarantined == {("contents", "unreadable_time"): 1}


def test_a_file_of_any_ending_without_a_header(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "u.data").write_text("196\t242\t3\t881250949\n186\t302\t4\t891717742\n")
    (folder / "mapping.yaml").write_text(
        "zone: UTC\ntables:\n  - file: u.data\n    table: interactions\n    header: [user, item, stars, seconds]\n"
        "    columns:\n      {patient_id: user, content_id: item, rating: stars,"
        " time: {column: seconds, since: 1970-01-01, unit: seconds}}\n"
    )
    ingest("tabular", folder, tmp_path / "lake")
    touches = [(row["patient_id"], row["content_id"], row["rating"]) for row in rows(tmp_path / "lake", "interactions")]
    assert sorted(touches) == [("186", "302", 4.0), ("196", "242", 3.0)]


def test_ratings_without_times(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "ratings.csv").write_text("user,item,stars\nu1,a,5\nu1,b,2\nu2,a,4\n")
    (folder / "mapping.yaml").write_text(
        "tables:\n"
        "  - {file: ratings.csv, table: patients, columns: {patient_id: user}}\n"
        "  - file: ratings.csv\n    table: interactions\n    columns:\n"
        "      {patient_id: user, content_id: item, rating: stars, time: {value: 2024-01-01}, action: {value: rate}}\n"
    )
    report = ingest("tabular", folder, tmp_path / "lake")
    assert report.written["interactions"] == 3 and not report.quarantined
    rows = pq.read_table(tmp_path / "lake" / "interactions").to_pylist()
    assert {(row["content_id"], row["rating"]) for row in rows} == {("a", 5.0), ("b", 2.0), ("a", 4.0)}
    assert len({row["time"] for row in rows}) == 1
