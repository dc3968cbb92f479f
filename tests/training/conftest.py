"""A small sample hospital and an empty MLflow store for the tests of training."""

import shutil
from datetime import date
from pathlib import Path

import pytest

from features.lake import Lake
from simulation.write import hospital


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """A sample hospital: 1,200 patients, three years, with its truth beside it."""
    folder = tmp_path_factory.mktemp("hospital")
    hospital(folder, 1200, 3, 5, date(2025, 12, 31))
    return folder


@pytest.fixture
def lake(sample, home) -> Lake:
    return Lake(sample / "lake")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    """An MLflow database that has been migrated once; tests copy it."""
    import mlflow

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(autouse=True)
def store(empty_store, tmp_path, monkeypatch) -> Path:
    """A tracking store of the test's own; returns its folder."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return tmp_path
