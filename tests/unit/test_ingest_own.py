"""A source that a hospital writes itself, in its own folder."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from features.__main__ import app
from features.errors import InputError
from features.ingest import ingest

SOURCE = '''
from features.sources.draft import Draft

class Calls:
    """Follow-up calls: lines of patient, time in microseconds."""

    name = "calls"
    tables = ("encounters",)

    def __init__(self, folder, tally):
        self.lines = [line.split() for line in (folder / "calls.txt").read_text().splitlines()]
        tally.read["call"] = len(self.lines)

    @property
    def births(self):
        return {patient: None for patient, _ in self.lines}

    def events(self):
        for row, (patient, time) in enumerate(self.lines, 1):
            values = {"patient_id": patient, "time": int(time), "known_at": int(time), "event_id": f"call/{row}"}
            yield Draft("encounters", {**values, "kind": "follow_up", "status": "finished"}, "calls.txt", row)

    def persons(self, first_contact):
        for row, (patient, time) in enumerate(first_contact.items(), 1):
            yield Draft("patients", {"patient_id": patient, "time": time, "known_at": time}, "calls.txt", row)
'''


def test_a_hospital_reads_its_own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hospital").mkdir()
    (tmp_path / "hospital" / "sources.py").write_text(SOURCE)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "calls.txt").write_text("p1 1700000000000000\np2 1700000001000000\n")
    monkeypatch.setenv("CAREPATH_HOSPITAL", "")
    words = ["ingest", "own", "calls", str(tmp_path / "raw"), "--lake", str(tmp_path / "lake")]
    answer = CliRunner().invoke(app, [*words, "--hospital", str(tmp_path / "hospital")])
    assert answer.exit_code == 0, answer.output
    visits = pq.read_table(tmp_path / "lake" / "encounters").to_pylist()
    assert [(each["patient_id"], each["kind"], each["source"]) for each in visits] == [
        ("p1", "follow_up", "calls"),
        ("p2", "follow_up", "calls"),
    ]


def test_a_source_that_there_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAREPATH_HOSPITAL", raising=False)
    with pytest.raises(InputError, match=r"no source 'omob'; did you mean 'omop'\?"):
        ingest("omob", tmp_path, tmp_path / "lake")
