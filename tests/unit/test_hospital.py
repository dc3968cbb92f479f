"""A hospital's own folder: its groups, codelists and params travel with it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import typer

import features
from features.codes import codelist
from features.errors import InputError
from features.hospital import VARIABLE, Hospital, hospital
from features.params import general
from features.plan import compile_plan
from features.vector import VectorSpec
from tests.spec.drawn import drawn

GROUPS = '''
from features import derived, feature_group
from features.codes import codelist
from hospital.groups.words import WHY


@feature_group(source="diagnoses", purposes=("care_followup",), why=WHY, clinical_group="skin")
def skin(history):
    """Itching on record."""
    return {"itching_ever": history.coded(codelist("itch")).exists()}


@feature_group(source="feedback", purposes=("care_followup",), why=WHY, clinical_group="feedback")
def feedback(history):
    """In place of the catalogue's group of that name."""
    return {"rating_first": history.first("rating")}


@derived
def itch_free(itching_ever):
    """No itching on record."""
    return 1 - itching_ever
'''
ITCH = "code_system,code,zh,en\nICD-10,L29,瘙痒,itching\nICD-9-CM,698,瘙痒,itching\n"
PARAMS = "general: {timezone: Asia/Urumqi}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = tmp_path / "ours"
    for name, text in (
        ("groups/skin.py", GROUPS),
        ("groups/words.py", 'WHY = "a hospital knows its own reasons"\n'),
        ("codes/itch.csv", ITCH),
        ("params.yaml", PARAMS),
    ):
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(own))
    return own


def test_its_groups_stand_beside_the_catalogue_and_in_place_of_their_namesakes(folder: Path) -> None:
    names = compile_plan(features.catalogue()).spec.names
    assert {"itching_ever", "itch_free", "rating_first", "visit_count_365d"} <= set(names)
    assert "rating_last_365d" not in names and not any(name.startswith("feedback_") for name in names)


def test_a_codelist_of_one_file_is_called_as_its_first_entry(folder: Path) -> None:
    itch = codelist("itch")
    assert (itch.zh, itch.en, itch.kind, itch.unit) == ("瘙痒", "itching", "diagnosis", "")
    assert itch.matches("ICD-10-CM", "L29.9") and not itch.matches("ICD-10", "L30")
    plan = compile_plan(features.catalogue(), ["itching_ever", "itch_free"])
    rows = drawn("diagnoses", "time | code_system | code\n2024-01-01 | ICD-10 | L29.8")
    at = np.array([1_720_000_000_000_000])
    assert plan.vectors({"diagnoses": rows}, ["p"], at).tolist() == [[1.0, 0.0]]


def test_its_digest_is_in_every_vector_spec(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = compile_plan(features.catalogue(), ["age_years"]).spec
    assert spec.hospital == hospital().digest
    assert VectorSpec.from_json(spec.to_json()) == spec
    assert spec.subset(["age_years"]).digest == spec.digest
    monkeypatch.delenv(VARIABLE)
    assert compile_plan(features.catalogue(), ["age_years"]).spec.digest != spec.digest


def test_code_decides_the_digest_and_values_do_not(folder: Path) -> None:
    before = hospital().digest
    (folder / "params.yaml").write_text("general: {timezone: Asia/Shanghai}\n")
    assert Hospital(folder).digest == before
    (folder / "groups" / "words.py").write_text('WHY = "another reason"\n')
    assert Hospital(folder).digest != before


def test_its_params_lie_over_the_projects(folder: Path) -> None:
    assert general().timezone == "Asia/Urumqi"
    assert "care_followup" in general().purposes


def test_a_file_that_cannot_be_imported_is_named(folder: Path) -> None:
    (folder / "groups" / "zz.py").write_text("1 / 0\n")
    with pytest.raises(InputError, match=r"hospital groups/zz.py: cannot be imported: ZeroDivisionError"):
        features.catalogue()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\nraise ValueError('patient 4711')\n", "ValueError, line 2$"),
        ("import features.nowhere\n", "ModuleNotFoundError: No module named 'features.nowhere', line 1$"),
        ("def broken(:\n", "SyntaxError: [^(]*, line 1$"),
    ],
)
def test_the_line_is_named_and_what_a_file_raises_is_not_repeated(folder: Path, text: str, told: str) -> None:
    (folder / "groups" / "zz.py").write_text(text)
    with pytest.raises(InputError, match=rf"zz.py: cannot be imported: {told}"):
        features.catalogue()


def test_a_folder_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"nowhere: there is no such folder; --hospital, or CAREPATH_HOSPITAL"):
        features.catalogue()


@pytest.mark.parametrize("package", ["features", "training", "serving"])
def test_every_command_takes_it(package: str) -> None:
    group = typer.main.get_command(importlib.import_module(f"{package}.__main__").app)
    waiting, seen = [group], 0
    while waiting:
        each = waiting.pop()
        waiting += list(getattr(each, "commands", {}).values())
        if not hasattr(each, "commands"):
            seen += 1
            assert "--hospital" in {option for param in each.params for option in param.opts}, each.name
    assert seen


def test_build_with_the_option(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from features.__main__ import main

    monkeypatch.setenv("CAREPATH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(VARIABLE, "")
    (tmp_path / "lake" / "diagnoses").mkdir(parents=True)
    rows = drawn("diagnoses", "time | code_system | code\n2024-01-01 | ICD-10 | L29.8")
    pq.write_table(rows, tmp_path / "lake" / "diagnoses" / "a.parquet")
    asked = ["build", "--lake", tmp_path / "lake", "--at", "2024-06-30", "--out", tmp_path / "v.parquet"]
    monkeypatch.setattr(sys, "argv", ["features", *map(str, asked), "--hospital", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    built = pq.read_table(tmp_path / "v.parquet")
    assert built["itching_ever"].to_pylist() == [1.0]
    assert VectorSpec.from_json(built.schema.metadata[b"vector_spec_json"].decode()).hospital == hospital().digest
