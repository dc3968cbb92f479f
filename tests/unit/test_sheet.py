"""Files and times as people write them."""

from __future__ import annotations

import gzip
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from features.codes.region import region_code
from features.errors import InputError
from features.instants import DAY, iso
from features.sources.dates import dated, written
from features.sources.sheet import Sheet

SHANGHAI = ZoneInfo("Asia/Shanghai")
TEXT = "病人,结果\n甲, 6.1 \n\n乙,\n"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (TEXT.encode(), "a.csv"),
        (TEXT.encode("utf-8-sig"), "a.csv"),
        (TEXT.encode("gbk"), "a.csv"),
        (TEXT.encode("utf-16"), "a.csv"),
        (TEXT.replace(",", "\t").encode(), "a.tsv"),
        (TEXT.replace(",", ";").encode("gb18030"), "a.txt"),
        (TEXT.replace(",", "|").encode(), "a.psv"),
        (gzip.compress(TEXT.encode("gbk"), mtime=0), "a.csv.gz"),
    ],
)
def test_a_table_is_read_whatever_it_is_written_in(tmp_path: Path, raw: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(raw)
    sheet = Sheet(tmp_path / name, name)
    assert sheet.columns == ("病人", "结果")
    assert [values for _, values in sheet.rows(["结果", None, "病人"])] == [("6.1", None, "甲"), (None, None, "乙")]


def test_the_columns_of_a_file_without_a_header_are_named(tmp_path: Path) -> None:
    (tmp_path / "u.item").write_text("1|Caf\xe9|4\n2|b,c|\n", encoding="latin-1")
    sheet = Sheet(tmp_path / "u.item", "u.item", "latin-1", header=("id", "title", "stars"))
    assert list(sheet.rows(["title", "stars"])) == [(1, ("Caf\xe9", "4")), (2, ("b,c", None))]


def test_an_empty_file_holds_no_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match=r"a.csv: holds no header"):
        Sheet(tmp_path / "a.csv", "a.csv")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("2024/3/5 08:10", "2024-03-05T00:10:00+00:00"),
        ("2024年3月5日 下午2时10分", "2024-03-05T06:10:00+00:00"),
        ("2024年3月5日上午8:10", "2024-03-05T00:10:00+00:00"),
        ("2024-03-05T08:10:00Z", "2024-03-05T08:10:00+00:00"),
        ("2024-03-05 08:10:00.5+0100", "2024-03-05T07:10:00.500000+00:00"),
        ("20240305081000", "2024-03-05T00:10:00+00:00"),
        ("2024/3/5 12:05 AM", "2024-03-04T16:05:00+00:00"),
        (datetime(2024, 3, 5, 8, 10), "2024-03-05T00:10:00+00:00"),
    ],
)
def test_a_time_with_an_hour(given: Any, said: str) -> None:
    when = written(given, SHANGHAI)
    assert when and when.first == when.last and iso(when.last) == said


@pytest.mark.parametrize("given", ["2024年3月5日", "2024/3/5", "2024.3.5", "2024-03-05", "20240305", date(2024, 3, 5)])
def test_a_bare_date_is_the_whole_day(given: Any) -> None:
    when = written(given, SHANGHAI)
    assert when and iso(when.last) == "2024-03-05T15:59:59.999999+00:00" and when.last - when.first == DAY - 1


@pytest.mark.parametrize("given", ["昨天", "2024/13/1", "2024-02-30", "3/5/2024", "2024", "12:30", "99999999"])
def test_what_is_no_time_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="the time cannot be read"):
        written(given, SHANGHAI)


def test_midnight_beside_a_date_says_that_the_hour_is_unknown() -> None:
    bare, known = (
        dated("2024-03-05", "2024-03-05 00:00:00", SHANGHAI),
        dated("2024-03-05", "2024-03-05 09:00", SHANGHAI),
    )
    assert bare == written("2024-03-05", SHANGHAI) and known and known.first == known.last
    assert dated("2024-03-05", None, SHANGHAI) == bare and dated(None, None, SHANGHAI) is None


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        (("北京市朝阳区建国路1号",), "110105"),
        (("辽宁省", "朝阳市", "双塔区"), "211302"),
        (("上海浦东新区",), "310115"),
        (("广东省东莞市",), "441900"),
        (("重庆市渝北区",), "500112"),
        (("330106",), "330106"),
        (("999999",), None),
        (("朝阳区",), None),
        (("Boston", None, "MA"), None),
        ((None,), None),
    ],
)
def test_the_region_of_an_address(parts: tuple[str | None, ...], code: str | None) -> None:
    assert region_code(*parts) == code
