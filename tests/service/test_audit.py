"""Papers: an export that is checked without our software, the record of processing, the facts of an assessment."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

import features
from features.errors import InputError
from features.group import FeatureGroup
from serving.__main__ import app
from serving.audit.export import export, harmless
from serving.ledger import Ledger

EVER = (0, 2**52)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "home" / "ledger.db")
    for number in range(4):
        with ledger.writing() as appender:
            header = {"subject": appender.reference("patient-9"), "task": "churn_90d", "outcome": "scored", "q": "问题"}
            appender.append("decision", f"d{number}", header, {"secret": number})
    ledger.close()
    return tmp_path / "home"


def _exported(home: Path, kind: str) -> Path:
    ledger = Ledger(home / "ledger.db")
    assert export(ledger, home.parent / kind, *EVER, kind, "auditor") == 4
    assert ledger.latest("export", 1)[0].header["principal"] == "auditor"
    ledger.close()
    return home.parent / kind


def _check(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run verify.py alone, away from the project."""
    command = [sys.executable, "-S", "-I", str(folder / "verify.py"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "xlsx"])
def test_an_export_is_checked_by_the_standard_library_alone(home: Path, kind: str) -> None:
    folder = _exported(home, kind)
    done = _check(folder)
    assert done.returncode == 0
    assert re.fullmatch(r"4 entries, [12] heads \(0 signatures checked\): unbroken\n", done.stdout)
    assert all(b"patient-9" not in file.read_bytes() for file in folder.iterdir())


def test_signatures_are_checked_where_cryptography_is(home: Path) -> None:
    folder = _exported(home, "jsonl")
    command = [sys.executable, str(folder / "verify.py"), str(folder)]
    sound = subprocess.run(command, capture_output=True, text=True).stdout
    assert re.fullmatch(r"4 entries, ([12]) heads \(\1 signatures checked\): unbroken\n", sound)
    told = orjson.loads((folder / "heads.ndjson").read_bytes().splitlines()[0])
    (folder / "heads.ndjson").write_bytes(orjson.dumps({**told, "at": "2020-01-01T00:00:00+00:00"}))
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) == (1, "head in line 1: the signature is wrong")


def _edit(lines: list[str]) -> list[str]:
    return [lines[0], lines[1].replace("churn_90d", "churn_30d"), *lines[2:]]


def _swap_payload(lines: list[str]) -> list[str]:
    return [lines[0], re.sub(r'"payload_sha256":"\w+"', f'"payload_sha256":"{"0" * 64}"', lines[1]), *lines[2:]]


@pytest.mark.parametrize(
    "attack",
    [
        _edit,
        _swap_payload,
        lambda lines: lines[:-1],
        lambda lines: lines[1:],
        lambda lines: [lines[1], lines[0], *lines[2:]],
    ],
)
def test_an_export_that_was_altered_is_seen(home: Path, attack: object) -> None:
    folder = _exported(home, "jsonl")
    lines = (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "ledger.jsonl").write_text("".join(attack(lines)), encoding="utf-8")  # type: ignore[operator]
    assert _check(folder).returncode == 1


def test_no_cell_is_a_formula() -> None:
    assert [harmless(text) for text in ("=1+1", "@x", "+a", "-a", "plain", None)] == [
        "'=1+1",
        "'@x",
        "'+a",
        "'-a",
        "plain",
        None,
    ]


def test_mistakes_are_named(home: Path) -> None:
    ledger = Ledger(home / "ledger.db")
    with pytest.raises(InputError, match="did you mean 'xlsx'"):
        export(ledger, home / "x", *EVER, "xls", "auditor")
    with pytest.raises(InputError, match="no entry"):
        export(ledger, home / "x", 0, 1, "csv", "auditor")
    ledger.close()


def test_the_register_has_every_group_and_purpose(home: Path) -> None:
    done = CliRunner().invoke(app, ["audit", "register", "--home", str(home)])
    assert done.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    wanted = {
        (group.name, purpose)
        for group in features.catalogue()
        if isinstance(group, FeatureGroup)
        for purpose in group.purposes
    }
    assert {(row["group"], row["purpose"]) for row in rows} == wanted
    assert all(row["necessity"] and row["table"] and row["retention"] for row in rows)


def test_the_assessment_fills_facts_and_leaves_judgements_blank(home: Path) -> None:
    done = CliRunner().invoke(app, ["audit", "pia", "--home", str(home)])
    assert done.exit_code == 0
    assert "| churn_90d | scored | 4 |" in done.stdout
    assert done.stdout.count("____________________") == 6
    assert "Patients: 1." in done.stdout


def test_keys_are_rotated_and_unfreezing_takes_two(home: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["keys", "show", "--home", str(home)]).stdout
    assert runner.invoke(app, ["keys", "rotate", "--home", str(home)]).exit_code == 0
    assert runner.invoke(app, ["keys", "show", "--home", str(home)]).stdout == shown
    ledger = Ledger(home / "ledger.db")
    entry = ledger.entry("decision", "d3")
    assert entry is not None
    assert entry.payload == {"secret": 3}
    ledger.close()
    alone = runner.invoke(app, ["unfreeze", "outreach", "--by", "one", "--by", "one", "--home", str(home)])
    assert isinstance(alone.exception, InputError)
    two = runner.invoke(app, ["unfreeze", "outreach", "--by", "one", "--by", "two", "--home", str(home)])
    assert "was not frozen" in two.stdout
