"""A hospital's FHIR export, from raw files to scores over HTTP, by the commands of docs/public-data.md."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.data]
CLOCK = "2025-12-31T00:00:00+00:00"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, public_data: Path) -> Path:
    """A folder with the ingested lake."""
    folder = tmp_path_factory.mktemp("journey")
    export = str(public_data / "fhir_hospital")
    told = command(folder, "features", "ingest", "fhir", export, "--lake", str(folder / "lake"))
    assert "Encounter" in told.stdout
    assert "birth_date_after_visit" in told.stdout
    return folder


def command(folder: Path, package: str, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    """Run one documented command on a state and a tracking store of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", package, *arguments],
        capture_output=True,
        text=True,
        env=environment(folder),
        check=False,
    )
    assert ended.returncode == expect, ended.stderr[-2000:]
    return ended


def environment(folder: Path) -> dict[str, str]:
    own = {"CAREPATH_HOME": str(folder / "home"), "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    return {**os.environ, **own}


@pytest.fixture(scope="module")
def served(place: Path) -> Iterator[tuple[str, str]]:
    """Churn trained, proposed, approved by another, and served with the clock pinned: URL and outreach key."""
    proposal = str(place / "proposal.json")
    command(place, "training", "run", "churn_90d", "--lake", str(place / "lake"))
    command(place, "training", "propose", "churn_90d", "1", "--author", "ann", "--out", proposal)
    command(place, "serving", "approve", proposal, "--identity", "bob")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = ["serve", "--lake", str(place / "lake"), "--port", str(port), "--clock", CLOCK]
    log = place / "serve.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "serving", *serve], stdout=out, stderr=out, env=environment(place)
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 180
        while time.monotonic() < until and not ready(url):
            assert server.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.5)
        lines = log.read_text(encoding="utf-8").splitlines()
        yield url, next(line.split()[-1] for line in lines if line.startswith("demo key outreach"))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_its_patients_are_scored_over_http(place: Path, served: tuple[str, str]) -> None:
    from features.lake import Lake

    url, key = served
    outcomes: dict[str, int] = {}
    with httpx.Client(base_url=url, headers={"X-API-Key": key}, timeout=60) as client:
        for number, patient in enumerate(Lake(place / "lake").patients()[:40]):
            consent = {
                "consent_id": f"paper-{number}",
                "patient_id": patient,
                "purpose": "care_followup",
                "granted_at": "2025-12-30T09:00:00+00:00",
                "method": "paper",
                "evidence_ref": f"scan-{number}",
                "notice_version": "1",
                "separate": True,
            }
            assert client.post("/v1/consents", json=consent).status_code == 200
            asked = {"patient_id": patient, "tasks": ["churn_90d"], "purpose": "care_followup"}
            answer = client.post("/v1/score", json=asked).json()
            (decision,) = answer["decisions"]
            assert answer["as_of"].startswith("2025-12-31T00:00:00")
            code = (decision.get("refused") or {}).get("code", "scored")
            outcomes[code] = outcomes.get(code, 0) + 1
            if code == "scored":
                assert 0 < decision["probability"] < 1
                assert 1 <= len(decision["reasons"]) <= 4
    assert outcomes["scored"] >= 10
    assert set(outcomes) <= {"scored", "not_eligible", "no_consent"}


def test_too_few_new_cases_of_copd_are_refused_by_name(place: Path) -> None:
    told = command(place, "training", "run", "copd_12m", "--lake", str(place / "lake"), expect=2)
    assert "copd_12m" in told.stderr
    assert "refused" in told.stderr
    assert "more events (at least 50)" in told.stderr
