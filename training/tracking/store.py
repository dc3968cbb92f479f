"""Keep a run, register its model, find it again."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import InputError
from training.tracking.project import chosen, driven, tell
from training.tracking.reach import reach
from training.tracking.run import NO_ARTEFACT, SET, Run, Source, Trial

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

if TYPE_CHECKING:
    from mlflow import MlflowClient

ROOT = Path(__file__).resolve().parents[2] / "mlruns"
MODEL, ARTEFACT = "model", "model/artifacts/artefact"
_DATABASES = ("sqlite:", "postgresql", "mysql", "mssql")
_DIGEST_MOST = 36


@dataclass(frozen=True)
class Version:
    """A registered version of a task's model; ``parameters`` as MLflow keeps them, in text."""

    task: str
    version: str
    run_id: str
    digest: str
    tags: Mapping[str, str]
    figures: Mapping[str, float]
    parameters: Mapping[str, str]

    @property
    def overrides(self) -> tuple[str, ...]:
        """The ``section.name=value`` texts that its run was given."""
        given = {name.removeprefix(SET): text for name, text in self.parameters.items() if name.startswith(SET)}
        return tuple(f"{name}={text}" for name, text in given.items())


def uri() -> str:
    """Where runs are kept: MLFLOW_TRACKING_URI, else SQLite in mlruns/ beside the packages.

    A PostgreSQL without a driver is asked through psycopg, the driver that is locked. MLflow's own
    default, which ``mlflow run`` sets for its commands, is not taken for somebody's choice.
    """
    given = chosen()
    if given:
        return driven(given)
    ROOT.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{ROOT / 'mlflow.db'}"


def prepare() -> None:
    """Make the store ready: a new database takes some seconds, and two runs must not make it at once.

    Raises
    ------
    InputError
        It does not answer.
    """
    _hush()
    reach(uri())


def record(run: Run) -> Version:
    """Keep a run and register its model as the next version of the task's."""
    with connected() as client:
        experiment = _experiment(client, run.task)
        run_id = client.create_run(experiment, tags={**run.tags, "digest": run.digest}).info.run_id
        try:
            version = _keep(client, experiment, run_id, run)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id)
        told = {name: str(value) for name, value in run.parameters.items()}
        made = Version(run.task, version, run_id, run.digest, dict(run.tags), _finite(run.figures), told)
        tell(made, experiment)
        return made


def _keep(client: MlflowClient, experiment: str, run_id: str, run: Run) -> str:
    """Log everything of a run and return the version that it became."""
    _batch(client, run_id, run.parameters, run.figures)
    if run.source is not None:
        _input(client, run_id, run.source, run.columns)
    for trial in run.trials:
        _child(client, experiment, run_id, trial)
    if run.folder is not None:
        _log_model(client, run_id, run, run.folder)
    for name, text in run.files.items():
        client.log_text(run_id, text, name)
    if not client.search_registered_models(f"name = '{run.task}'"):
        client.create_registered_model(run.task)
    source = f"{client.get_run(run_id).info.artifact_uri}/{MODEL}"
    made = client.create_model_version(run.task, source, run_id, tags={**run.tags, "digest": run.digest})
    return str(made.version)


def _log_model(client: MlflowClient, run_id: str, run: Run, folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        model, artefact = Path(place) / MODEL, Path(place) / Path(ARTEFACT).name
        shutil.copytree(folder, artefact)
        _save(model, artefact, run)
        client.log_artifacts(run_id, str(model), MODEL)


def _save(folder: Path, artefact: Path, run: Run) -> None:
    """Write the model as MLflow loads it: code from a file, the artefact beside it, a signature.

    The signature names the columns; that all are there, and numbers, is asked by the flavour, which
    repeats no value.
    """
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_model(
            path=str(folder),
            python_model=str(Path(__file__).with_name("flavour.py")),
            artifacts={"artefact": str(artefact)},
            model_config={"digest": run.digest},
            signature=ModelSignature(
                inputs=Schema([ColSpec(AnyType(), name, required=False) for name in run.columns]),
                outputs=Schema([TensorSpec(np.dtype("float64"), (-1,))]),
            ),
            pip_requirements=["carepath"],
        )


def _batch(client: MlflowClient, run_id: str, parameters: Mapping[str, Any], figures: Mapping[str, float]) -> None:
    from mlflow.entities import Metric, Param
    from mlflow.utils.time import get_current_time_millis

    now = get_current_time_millis()
    metrics = [Metric(name, value, now, 0) for name, value in _finite(figures).items()]
    params = [Param(name, str(value)) for name, value in parameters.items()]
    for start in range(0, max(len(metrics), len(params), 1), 100):
        client.log_batch(run_id, metrics[start : start + 100], params[start : start + 100])


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items() if abs(value) < float("inf")}


def _input(client: MlflowClient, run_id: str, source: Source, columns: tuple[str, ...]) -> None:
    """Log the data set: what ``mlflow.log_input`` logs, for a run of a client."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    told = Dataset(
        name=source.name,
        digest=source.digest[:_DIGEST_MOST],
        source_type="lake",
        source=json.dumps({"manifest": source.digest, "files": len(source.manifest)}),
        schema=json.dumps({"mlflow_colspec": [{"type": "double", "name": name} for name in columns]})[:60_000],
        profile=json.dumps(dict(source.counts)),
    )
    client.log_inputs(run_id, [DatasetInput(told, [InputTag("mlflow.data.context", "training")])])


def _child(client: MlflowClient, experiment: str, run_id: str, trial: Trial) -> None:
    tags = {"mlflow.parentRunId": run_id, "mlflow.runName": f"trial {trial.number}", "trial": str(trial.number)}
    child = client.create_run(experiment, tags=tags).info.run_id
    _batch(client, child, trial.parameters, trial.figures)
    client.set_terminated(child, "FINISHED" if trial.state == "COMPLETE" else "KILLED")


def version(task: str, number: str) -> Version:
    """Return a registered version.

    Raises
    ------
    InputError
        The task has no such version; those it has are named.
    """
    with connected() as client:
        known = [str(each.version) for each in client.search_model_versions(f"name = '{task}'")]
        if not known:
            raise _no_versions(client, task)
        if number not in known:
            raise InputError(
                f"task '{task}' has no version {number}",
                where="tracking",
                known=sorted(known, key=int),
                remedy=f"train one: python -m training run {task}",
            )
        made = client.get_model_version(task, number)
        run_id = str(made.run_id)
        data = client.get_run(run_id).data
        figures, told = dict(data.metrics), dict(data.params)
        return Version(task, number, run_id, made.tags["digest"], dict(data.tags), figures, told)


def _no_versions(client: MlflowClient, task: str) -> InputError:
    names = tuple(each.name for each in client.search_registered_models() if each.name != task)
    remedy = f"python -m training run {task}"
    return InputError(f"task '{task}' has no version", where="tracking", given=task, known=names, remedy=remedy)


def latest(task: str) -> Version:
    """Return the newest version of a task that holds a model, or raise InputError where there is none."""
    with connected() as client:
        known = client.search_model_versions(f"name = '{task}'")
        numbers = [int(each.version) for each in known if each.tags.get("digest") != NO_ARTEFACT]
        if not numbers:
            raise _no_versions(client, task)
    return version(task, str(max(numbers)))


def fetch(task: str, number: str, file: str = ARTEFACT) -> Path:
    """Return a local path of what a version's run keeps, by default the artefact; a remote one is downloaded."""
    found = version(task, number)
    with connected() as client:
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException
        from mlflow.utils.file_utils import local_file_uri_to_path
        from mlflow.utils.uri import is_local_uri

        root = client.get_run(found.run_id).info.artifact_uri
        kept_none = "estimator" in found.tags and file == ARTEFACT
        missing = InputError(
            "a classifier that is only compared: it keeps no model" if kept_none else f"its run holds no {file}",
            where=f"{task} {number}",
            remedy=f"train one: training run {task}",
        )
        if is_local_uri(root):
            here = Path(local_file_uri_to_path(root)) / file
            if not here.exists():
                raise missing
            return here
        try:
            return Path(download_artifacts(run_id=found.run_id, artifact_path=file, tracking_uri=uri()))
        except (MlflowException, OSError):
            raise missing from None


def _experiment(client: MlflowClient, task: str) -> str:
    """Return the experiment of a task; beside a database on this machine, artefacts stand in a folder."""
    found = client.get_experiment_by_name(task)
    if found is not None:
        return str(found.experiment_id)
    where, beside = uri(), None
    if where.startswith(_DATABASES):
        local = where.startswith("sqlite:///")
        folder = Path(where.removeprefix("sqlite:///")).resolve().parent if local else ROOT
        beside = (folder / "artifacts" / task).as_uri()
    return str(client.create_experiment(task, artifact_location=beside))


@functools.cache
def _reached(given: str) -> None:
    reach(given)


@contextmanager
def connected() -> Iterator[MlflowClient]:
    """Open the client of a store that answers."""
    _hush()
    _reached(uri())
    import mlflow

    mlflow.set_tracking_uri(uri())
    mlflow.set_registry_uri(uri())
    yield mlflow.MlflowClient()


def _hush() -> None:
    """Keep MLflow's own chatter about its tables out of a terminal."""
    import logging

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
