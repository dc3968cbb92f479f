"""Identity: what is compared, who is the same, what is reviewed; the map tells nobody without its key."""

from __future__ import annotations

import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.errors import InputError
from features.identity.keyfile import IdentityKeyFile
from features.identity.match import match
from features.identity.person import Person, check_digit, name_of, number_of, phone_of
from features.identity.vault import Vault

LI = "11010519491231002X"
"""The example number of GB 11643-1999."""
OTHER = "440524188001010014"


@pytest.mark.parametrize(
    ("given", "compared"),
    [
        (LI, LI),
        ("11010519491231002x", LI),
        (" 110105 19491231 002X ", LI),
        ("１１０１０５１９４９１２３１００２Ｘ", LI),
        (OTHER, OTHER),
        ("110105491231002", LI),
        ("110105194912310021", None),
        ("110105194913310020", None),
        ("990105194912310025", None),
        ("12345", None),
        ("", ""),
        (None, ""),
        ("E12345678", "E12345678"),
    ],
)
def test_an_identity_number(given: str | None, compared: str | None) -> None:
    assert number_of(given) == compared


def test_the_check_digit_finds_every_wrong_digit_and_every_exchange() -> None:
    assert check_digit(LI[:17]) == "X"
    for at in range(17):
        for digit in "0123456789":
            if digit != LI[at]:
                assert number_of(LI[:at] + digit + LI[at + 1 :]) is None
    for at in range(16):
        if LI[at] != LI[at + 1]:
            assert number_of(LI[:at] + LI[at + 1] + LI[at] + LI[at + 2 :]) is None


@pytest.mark.parametrize(
    ("given", "compared"),
    [("张 三", "张三"), ("　张三", "张三"), ("Ｌｉ Lei", "lilei"), ("阿依古丽•买买提", "阿依古丽·买买提"), (None, "")],
)
def test_a_name(given: str | None, compared: str) -> None:
    assert name_of(given) == compared


@pytest.mark.parametrize(
    ("given", "compared"),
    [
        ("138 0013 8000", "13800138000"),
        ("+86-13800138000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("１３８００１３８０００", "13800138000"),
        ("010-62341234", "01062341234"),
        ("123", ""),
        (None, ""),
    ],
)
def test_a_phone(given: str | None, compared: str) -> None:
    assert phone_of(given) == compared


def person(value: str, name: str = "", number: str = "", phone: str = "", system: str = "his") -> Person:
    return Person.of(system, value, name, number, phone)


PHONE = "13800138000"


@pytest.mark.parametrize(
    ("one", "other", "same", "why"),
    [
        (("李 雷", LI, PHONE), ("李雷", LI.lower(), ""), True, []),
        (("李雷", LI, PHONE), ("李雷", LI, "13900139000"), True, []),
        (("李雷", LI, PHONE), ("李雷", "", "+86" + PHONE), True, []),
        (("李雷", "", PHONE), ("李雷", "", PHONE), True, []),
        (("李雷", LI, PHONE), ("李磊", LI, PHONE), False, ["name_differs"]),
        (("李雷", LI, PHONE), ("", LI, PHONE), False, ["name_differs"]),
        (("李雷", LI, PHONE), ("李雷", OTHER, PHONE), False, ["identity_number_differs"]),
        (("李雷", LI, PHONE), ("李雷", "110105194912310021", PHONE), False, ["identity_number_invalid"]),
        (("李雷", LI, ""), ("李雷", "", ""), False, []),
        (("李雷", "", PHONE), ("韩梅梅", "", PHONE), False, []),
        (("", "", PHONE), ("", "", PHONE), False, []),
    ],
)
def test_two_entries(one: tuple[str, ...], other: tuple[str, ...], same: bool, why: list[str]) -> None:
    found = match([person("1", *one), person("2", *other, system="lis")])
    assert len(found.people) == (1 if same else 2)
    assert [each.why for each in found.near] == why


def test_an_entry_without_a_number_that_fits_two_people_joins_neither() -> None:
    found = match([person("1", "李雷", LI, PHONE), person("2", "李雷", OTHER, PHONE), person("3", "李雷", "", PHONE)])
    assert len(found.people) == 3
    assert sorted(each.why for each in found.near) == ["ambiguous", "identity_number_differs"]


@pytest.fixture
def key(tmp_path: Path) -> IdentityKeyFile:
    return IdentityKeyFile(tmp_path / "keys" / "identities.key", create=True)


def test_the_map_resolves_to_a_random_surrogate_and_learning_again_changes_nothing(
    tmp_path: Path, key: IdentityKeyFile
) -> None:
    vault = Vault(tmp_path / "identities.db", key)
    entries = [person("1", "李雷", LI, PHONE), person("9", "李雷", LI, "", system="lis"), person("2", "韩梅梅", OTHER)]
    learnt = vault.learn(entries)
    assert (learnt.entries, learnt.people, learnt.new, learnt.merged) == (3, 2, 2, 0)
    first, second = vault.resolve("his", "1"), vault.resolve("his", "2")
    assert first.patient_id == vault.resolve("lis", "9").patient_id != second.patient_id
    assert vault.resolve("emr", "1").patient_id is None
    again = vault.learn(entries)
    assert (again.new, again.merged, vault.resolve("his", "1")) == (0, 0, first)
    assert Vault(tmp_path / "identities.db", key).resolve("his", "2") == second


def test_people_who_prove_to_be_one_are_merged_into_the_older(tmp_path: Path, key: IdentityKeyFile) -> None:
    vault = Vault(tmp_path / "identities.db", key)
    vault.learn([person("1", "李雷", LI)])
    vault.learn([person("7", "李雷", "", PHONE, system="emr")])
    older, younger = vault.resolve("his", "1").patient_id, vault.resolve("emr", "7").patient_id
    assert older != younger
    for _ in range(2):
        vault.learn([person("1", "李雷", LI, PHONE)])
        assert vault.resolve("his", "1").merged_from is None
        found = vault.resolve("emr", "7")
        assert (found.patient_id, found.merged_from) == (older, younger)
    assert vault.untold() == [(younger, older)]
    vault.tell(str(younger))
    assert vault.untold() == []
    assert vault.forget(str(older)) == 2
    assert vault.resolve("emr", "7").patient_id is None


def test_nothing_of_a_person_is_in_the_file_in_clear(tmp_path: Path, key: IdentityKeyFile) -> None:
    vault = Vault(tmp_path / "identities.db", key)
    vault.learn([person("MRN-77123", "李雷", LI, PHONE)])
    surrogate = str(vault.resolve("his", "MRN-77123").patient_id)
    vault.close()
    held = b"".join(file.read_bytes() for file in tmp_path.glob("identities.db*"))
    assert not any(word.encode() in held for word in ("MRN-77123", "李雷", LI, PHONE, surrogate))
    assert stat.S_IMODE((tmp_path / "identities.db").stat().st_mode) == 0o600


def test_the_key_file_is_refused_where_others_can_read_it_or_it_is_another(
    tmp_path: Path, key: IdentityKeyFile
) -> None:
    assert stat.S_IMODE(key.file.stat().st_mode) == 0o600
    vault = Vault(tmp_path / "identities.db", key)
    vault.learn([person("1", "李雷", LI)])
    with pytest.raises(InputError, match="not that of this map"):
        Vault(tmp_path / "identities.db", IdentityKeyFile(tmp_path / "other.key", create=True))
    key.file.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        IdentityKeyFile(key.file)
    with pytest.raises(InputError, match="no such file"):
        IdentityKeyFile(tmp_path / "none.key")


def test_from_two_exports_to_a_lake_with_surrogates(tmp_path: Path) -> None:
    his = tmp_path / "his.csv"
    his.write_bytes(f"病历号,姓名,身份证号,手机号\n001,李雷,{LI},{PHONE}\n002,韩梅梅,{OTHER},\n".encode("gb18030"))
    lis = tmp_path / "lis.csv"
    lis.write_text(
        f"system,value,name,identity_number,phone\nlis,=9,李 雷,{LI},\nlis,10,韩梅,{OTHER},\n", encoding="utf-8"
    )
    run, key = CliRunner(), tmp_path / "k" / "identities.key"
    common = ["--home", str(tmp_path / "home"), "--key", str(key)]
    review = tmp_path / "review.csv"
    done = run.invoke(
        app, ["identities", "match", str(his), str(lis), "--system", "his", "--review", str(review), *common]
    )
    assert done.exit_code == 0, done.output
    assert "4 entries are 3 people: 3 new, 0 merged" in done.output
    assert LI not in done.output and "李雷" not in done.output
    assert stat.S_IMODE(review.stat().st_mode) == 0o600
    assert review.read_text(encoding="utf-8-sig").splitlines()[1:] == ["name_differs,his,002,lis,10"]
    (tmp_path / "raw" / "diagnoses").mkdir(parents=True)
    rows = pa.table(
        {
            "patient_id": ["001", "002", "003"],
            "time": pa.array([0, 1, 2], pa.timestamp("us", tz="UTC")),
            "code": ["a", "b", "c"],
            "event_id": ["person/001", "x/0020", None],
        }
    )
    pq.write_table(rows, tmp_path / "raw" / "diagnoses" / "x.parquet")
    asked = [
        "identities",
        "replace",
        "--lake",
        str(tmp_path / "raw"),
        "--system",
        "his",
        "--out",
        str(tmp_path / "lake"),
    ]
    done = run.invoke(app, [*asked, *common])
    assert done.exit_code == 0, done.output
    written = pq.read_table(tmp_path / "lake" / "diagnoses")
    assert written["code"].to_pylist() == ["a", "b", "c"]
    first, *rest = written["event_id"].to_pylist()
    assert first.startswith("person/") and "001" not in first.split("/") and rest == ["x/0020", None]
    ids = written["patient_id"].to_pylist()
    assert len(set(ids)) == 3 and not {"001", "002", "003"} & set(ids)
    vault = Vault(tmp_path / "home" / "identities.db", IdentityKeyFile(key))
    assert ids == [vault.resolve("his", value).patient_id for value in ("001", "002", "003")]
    assert run.invoke(app, [*asked, *common]).exit_code != 0
    vault.forget(ids[1])
    asked[-1] = str(tmp_path / "without")
    assert "3 ids are 2 people" in run.invoke(app, [*asked, *common]).output
    left = pq.read_table(tmp_path / "without" / "diagnoses")
    assert (left["code"].to_pylist(), left["patient_id"].to_pylist()) == (["a", "c"], [ids[0], ids[2]])
    readmit = ["identities", "readmit", "002", "--system", "his", *common]
    assert [run.invoke(app, readmit).output for _ in range(2)] == [
        "may be ingested again\n",
        "that id was not erased\n",
    ]


def test_an_unknown_system_is_named_without_its_rows(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text(f"system,value,identity_number\nhiss,1,{LI}\n")
    run = CliRunner()
    done = run.invoke(
        app, ["identities", "match", str(file), "--review", str(tmp_path / "r.csv"), "--home", str(tmp_path)]
    )
    assert isinstance(done.exception, InputError)
    assert "did you mean 'his'" in str(done.exception) and LI not in str(done.exception)
