"""An ingest that is killed, a disk that is full, a file that cannot be read: nothing is lost, nothing half written."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from features.errors import InputError
from features.ingest import ingest
from features.intake import READY

LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
from features.__main__ import main
sys.argv = ["features", *sys.argv[2:]]
main()
"""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FHIR export of 150 patients with 30,000 results."""
    folder = tmp_path_factory.mktemp("raw") / "export"
    folder.mkdir()
    with (folder / "all.ndjson").open("w") as file:
        for patient in range(150):
            file.write(json.dumps({"resourceType": "Patient", "id": f"p{patient}", "birthDate": "1960-01-01"}) + "\n")
            for n in range(200):
                told: dict[str, Any] = {"resourceType": "Observation", "id": f"o{patient}-{n}", "status": "final"}
                told |= {"code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]}}
                told |= {"subject": {"reference": f"Patient/p{patient}"}, "effectiveDateTime": "2024-03-01T08:00:00Z"}
                told |= {"valueQuantity": {"value": 4 + n / 100, "unit": "mmol/L"}}
                file.write(json.dumps(told) + "\n")
    return folder


def tree(lake: Path) -> dict[str, str]:
    return {
        str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(lake.rglob("*"))
        if path.is_file()
    }


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "features", *words]


@pytest.mark.slow
def test_killed_at_a_random_moment_and_run_again(export: Path, tmp_path: Path) -> None:
    calm = tmp_path / "calm"
    begun = time.monotonic()
    subprocess.run(command("ingest", "fhir", str(export), "--lake", str(calm)), check=True, capture_output=True)
    whole = time.monotonic() - begun
    drawn = random.Random(20250630)
    for attempt in range(2):
        lake = tmp_path / f"lake{attempt}"
        running = subprocess.Popen(
            command("ingest", "fhir", str(export), "--lake", str(lake)), stdout=subprocess.DEVNULL
        )
        time.sleep(whole * drawn.uniform(0.3, 0.95))
        running.send_signal(signal.SIGKILL)
        running.wait()
        subprocess.run(command("ingest", "fhir", str(export), "--lake", str(lake)), check=True, capture_output=True)
        assert tree(lake) == tree(calm)


def test_killed_while_the_tables_move_into_place(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calm, lake = tmp_path / "calm", tmp_path / "lake"
    small = tmp_path / "export"
    small.mkdir()
    (small / "all.ndjson").write_bytes((export / "all.ndjson").read_bytes()[:200_000].rsplit(b"\n", 1)[0] + b"\n")
    ingest("fhir", small, calm)
    move, moved = Path.replace, list[Path]()

    def dies(path: Path, target: Path) -> Path:
        if path.suffix == ".parquet" and moved:
            raise KeyboardInterrupt
        moved.extend([path] if path.suffix == ".parquet" else [])
        return move(path, target)

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        ingest("fhir", small, lake)
    monkeypatch.undo()
    assert list(lake.glob(f"{READY}*")) and tree(lake) != tree(calm)
    other = tmp_path / "another"
    other.mkdir()
    (other / "p.ndjson").write_text(
        json.dumps({"resourceType": "Patient", "id": "q", "birthDate": "1970-01-01"}) + "\n"
    )
    ingest("fhir", other, lake)
    told = {name: digest for name, digest in tree(lake).items() if "another" not in name}
    assert told == tree(calm), "the next ingest of whatever folder puts it into place"


def test_ingested_twice_is_ingested_once(export: Path, tmp_path: Path) -> None:
    small = tmp_path / "export"
    small.mkdir()
    (small / "all.ndjson").write_bytes((export / "all.ndjson").read_bytes()[:100_000].rsplit(b"\n", 1)[0] + b"\n")
    ingest("fhir", small, tmp_path / "lake")
    before = tree(tmp_path / "lake")
    ingest("fhir", small, tmp_path / "lake")
    assert tree(tmp_path / "lake") == before


def test_a_full_disk_is_a_clear_error_and_the_lake_stands(export: Path, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    small = tmp_path / "before"
    small.mkdir()
    (small / "p.ndjson").write_text(
        json.dumps({"resourceType": "Patient", "id": "q", "birthDate": "1970-01-01"}) + "\n"
    )
    ingest("fhir", small, lake)
    before = tree(lake)
    words = ["20000", "ingest", "fhir", str(export), "--lake", str(lake)]
    done = subprocess.run([sys.executable, "-c", LIMITED, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "cannot write: " in done.stderr and "make room" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and tree(lake) == before and not list(lake.glob(".ingest-*"))


@pytest.mark.parametrize("source", ["fhir", "omop", "tabular", "meds", "cdnow"])
def test_a_file_that_is_cut_off_is_a_clear_error(source: str, tmp_path: Path) -> None:
    folder, lake = tmp_path / "raw", tmp_path / "lake"
    (folder / "data").mkdir(parents=True)
    cut = gzip.compress(random.Random(7).randbytes(50_000).hex().encode())[:20_000]
    names = {"fhir": "a.ndjson.gz", "omop": "person.csv.gz", "tabular": "a.csv.gz", "cdnow": "CDNOW_master.txt.gz"}
    if source == "meds":
        (folder / "data" / "0.parquet").write_bytes(b"PAR1 and no more")
    else:
        (folder / names[source]).write_bytes(cut)
    (folder / "m.yaml").write_text("tables: [{file: a.csv.gz, table: encounters, columns: {patient_id: id, time: at}}]")
    with pytest.raises(InputError, match="cannot be read to its end"):
        ingest(source, folder, lake)
    assert not lake.exists() or not tree(lake)
