"""The run that ``mlflow run`` opens around a command: MLflow tells the command of it by its variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.tracking.store import Version

PROJECT = Path(__file__).resolve().parents[2]
RUN, URI = "MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI"
TAGS = ("carepath.run_id", "carepath.task", "carepath.version", "carepath.experiment")
"""Tags of the outer run that name the run in it."""
AROUND = os.environ.get(URI, "") if os.environ.get(RUN) else ""
"""Where the outer run is, as MLflow told the command: MLflow overwrites the variable once a store is opened."""


def chosen() -> str:
    """Return the store that somebody chose by MLFLOW_TRACKING_URI, or an empty text.

    Inside ``mlflow run`` the variable is always set: where nobody set it, to MLflow's own default, a
    file beside the project (or its folder mlruns). That was not chosen.
    """
    given = os.environ.get(URI, "")
    return "" if os.environ.get(RUN) and given in _defaults() else given


def tell(made: Version, experiment: str) -> None:
    """Name a recorded run in the tags of the run that ``mlflow run`` opened around it, if there is one.

    A run that cannot be told stays as it is: what was trained is kept all the same.
    """
    outer = os.environ.get(RUN)
    if not outer or not AROUND:
        return
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client = MlflowClient(driven(AROUND))
    told = f"Run {made.run_id} of the experiment {made.task}: version {made.version} of the model {made.task}."
    values = dict(zip(TAGS, (made.run_id, made.task, made.version, experiment)))
    try:
        for name, value in {**values, "mlflow.note.content": told}.items():
            client.set_tag(outer, name, value)
    except MlflowException:
        return


def driven(given: str) -> str:
    """Return a URI with the driver that is locked, where it names a PostgreSQL without one."""
    return given.replace("postgresql://", "postgresql+psycopg://", 1)


def _defaults() -> set[str]:
    folders = {PROJECT, Path.cwd()}
    files = {f"sqlite:///{folder / 'mlflow.db'}" for folder in folders}
    return files | {(folder / "mlruns").as_uri() for folder in folders}
