"""MLflow: the only file that knows it. Runs, figures, artefacts, registered versions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import InputError

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[1] / "mlruns"
ARTEFACT = "artefact"


@dataclass(frozen=True)
class Run:
    """What a run leaves behind.

    Parameters
    ----------
    task
        Name of the task: experiment and registered model carry it.
    folder
        The artefact: Booster text or coefficients, JSON, digest manifest.
    digest
        Its digest.
    tags, parameters, figures
        As MLflow keeps them; figures that are not finite are left out.
    files
        Further files by name, as text: the attrition table and the like.
    """

    task: str
    folder: Path
    digest: str
    tags: Mapping[str, str]
    parameters: Mapping[str, Any]
    figures: Mapping[str, float]
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Version:
    """A registered version of a task's model."""

    task: str
    version: str
    run_id: str
    digest: str
    tags: Mapping[str, str]
    figures: Mapping[str, float]


def uri() -> str:
    """Where runs are kept: MLFLOW_TRACKING_URI, else SQLite in mlruns/ beside the packages."""
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given
    ROOT.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{ROOT / 'mlflow.db'}"


def record(run: Run) -> Version:
    """Keep a run and register its artefact as the next version of the task's model."""
    with _client() as client:
        started = client.create_run(_experiment(client, run.task), tags={**run.tags, "digest": run.digest})
        run_id = started.info.run_id
        from mlflow.entities import Metric, Param
        from mlflow.utils.time import get_current_time_millis

        now = get_current_time_millis()
        figures = {name: value for name, value in run.figures.items() if value == value and abs(value) != float("inf")}
        metrics = [Metric(name, float(value), now, 0) for name, value in figures.items()]
        client.log_batch(run_id, metrics, [Param(name, str(value)) for name, value in run.parameters.items()])
        client.log_artifacts(run_id, str(run.folder), ARTEFACT)
        for name, text in run.files.items():
            client.log_text(run_id, text, name)
        client.set_terminated(run_id)
        if not _registered(client, run.task):
            client.create_registered_model(run.task)
        source = f"{client.get_run(run_id).info.artifact_uri}/{ARTEFACT}"
        made = client.create_model_version(run.task, source, run_id, tags={"digest": run.digest})
        return Version(run.task, str(made.version), run_id, run.digest, dict(run.tags), figures)


def version(task: str, number: str) -> Version:
    """Return a registered version.

    Raises
    ------
    InputError
        The task has no such version; those it has are named.
    """
    with _client() as client:
        known = [str(each.version) for each in _versions(client, task)]
        if number not in known:
            raise InputError(
                f"task '{task}' has no version {number}",
                where="tracking",
                known=sorted(known, key=int),
                remedy=f"train one: python -m training run {task}",
            )
        made = client.get_model_version(task, number)
        run_id = str(made.run_id)
        run = client.get_run(run_id)
        return Version(task, number, run_id, made.tags["digest"], dict(run.data.tags), dict(run.data.metrics))


def latest(task: str) -> Version:
    """Return the newest registered version of a task, or raise InputError where there is none."""
    with _client() as client:
        numbers = [int(each.version) for each in _versions(client, task)]
    if not numbers:
        raise InputError(f"task '{task}' has no version", where="tracking", remedy=f"python -m training run {task}")
    return version(task, str(max(numbers)))


def fetch(task: str, number: str) -> Path:
    """Return a local folder holding the artefact of a version; a remote one is downloaded."""
    found = version(task, number)
    with _client():
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(run_id=found.run_id, artifact_path=ARTEFACT, tracking_uri=uri()))


def _experiment(client: MlflowClient, task: str) -> str:
    found = client.get_experiment_by_name(task)
    if found is not None:
        return str(found.experiment_id)
    where = uri()
    beside = None
    if where.startswith("sqlite:///"):
        beside = (Path(where.removeprefix("sqlite:///")).resolve().parent / "artifacts" / task).as_uri()
    return str(client.create_experiment(task, artifact_location=beside))


def _registered(client: MlflowClient, task: str) -> bool:
    return bool(client.search_registered_models(f"name = '{task}'"))


def _versions(client: MlflowClient, task: str) -> list[Any]:
    return list(client.search_model_versions(f"name = '{task}'"))


@contextmanager
def _client() -> Iterator[MlflowClient]:
    """Open the client; MLflow's own chatter about its tables stays out of a terminal."""
    import logging

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    import mlflow

    mlflow.set_tracking_uri(uri())
    mlflow.set_registry_uri(uri())
    yield mlflow.MlflowClient()
