"""Fixtures that every kind of test shares."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("OTEL_SDK_DISABLED", "true")
os.environ["CAREPATH_KEYS"] = tempfile.mkdtemp(prefix="carepath-keys-")
atexit.register(shutil.rmtree, os.environ["CAREPATH_KEYS"], ignore_errors=True)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def project() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Folder of the public data sets: CAREPATH_DATA, else ../shared/data beside the project."""
    folder = Path(os.environ.get("CAREPATH_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("public data sets are absent (CAREPATH_DATA)")
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of a service of its own, so that no test touches ./var."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["CAREPATH_HOME"] = str(folder)
    return folder
