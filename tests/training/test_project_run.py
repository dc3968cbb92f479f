"""``mlflow run`` of the project keeps the version in the project's own store, and says which one it made."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
import yaml

from features.errors import InputError
from training import tracking
from training.run import run
from training.tracking import project as outer

PARTS = ("features", "training", "serving", "simulation", "MLproject", "params.yaml", "pyproject.toml")


@pytest.fixture
def checkout(project, tmp_path) -> Path:
    """The project in a folder of its own, with settings that are quick to train by."""
    folder = tmp_path / "carepath"
    folder.mkdir()
    for name in PARTS:
        copy = shutil.copytree if (project / name).is_dir() else shutil.copy
        copy(project / name, folder / name)
    values = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    values["models"]["lightgbm"]["rounds"], values["evaluation"]["replicates"] = 20, 60
    (folder / "params.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return folder


def started(folder: Path, lake: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHONPATH"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**kept, **variables, "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", "-e", "train"]
    command += ["-P", "task=churn_90d", "-P", f"lake={lake}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _client(file: Path) -> mlflow.MlflowClient:
    """Return a client of one database for runs and models, whatever another test has set for this process."""
    return mlflow.MlflowClient(f"sqlite:///{file}", f"sqlite:///{file}")


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [False, True])
def test_a_project_run_keeps_its_version_where_the_card_looks_for_it(checkout, sample, empty_store, tmp_path, chosen):
    ours, mlflows = checkout / "mlruns" / "mlflow.db", checkout / "mlflow.db"
    for file in (ours, mlflows):
        file.parent.mkdir(exist_ok=True)
        shutil.copy(empty_store, file)
    given = tmp_path / "given.db"
    shutil.copy(empty_store, given)
    variables = {"MLFLOW_TRACKING_URI": f"sqlite:///{given}"} if chosen else {}
    told = started(checkout, sample / "lake", **variables)
    assert told.returncode == 0, told.stderr[-2000:]
    inside = _client(given if chosen else ours)
    made = inside.get_model_version("churn_90d", "1")
    around = _client(given if chosen else mlflows)
    found = around.search_runs(["0"])
    assert len(found) == 1 and found[0].info.status == "FINISHED"
    assert found[0].data.tags["carepath.run_id"] == made.run_id and found[0].data.tags["carepath.version"] == "1"
    if not chosen:
        assert not _client(mlflows).search_registered_models()
        assert not (checkout / "artifacts").exists()
        command = [sys.executable, "-m", "training", "card", "churn_90d"]
        kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        card = subprocess.run(command, cwd=checkout, env=kept, capture_output=True, text=True, check=False)
        assert card.returncode == 0 and '"task": "churn_90d"' in card.stdout


def test_only_inside_mlflow_run_is_its_default_not_a_choice(monkeypatch):
    default = f"sqlite:///{outer.PROJECT / 'mlflow.db'}"
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", default)
    assert tracking.uri() == default
    monkeypatch.setenv("MLFLOW_RUN_ID", "a" * 32)
    assert tracking.uri().endswith("mlruns/mlflow.db")
    for given in ("http://127.0.0.1:5000", "sqlite:////srv/mlflow.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
        assert tracking.uri() == given


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:9", "postgresql://ann:secret@127.0.0.1:9/runs", "bogus://here", "sqlite:////proc/x/y.db"],
)
def test_a_store_that_does_not_answer_is_noticed_before_anything_is_trained(sample, home, monkeypatch, address):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"MLFLOW_TRACKING_URI .*the store of runs does not answer") as caught:
        run("churn_90d", sample / "lake")
    assert "secret" not in str(caught.value) and time.monotonic() - began < 30
