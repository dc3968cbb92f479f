"""Whether an MLflow store answers, asked at once: MLflow itself would ask for minutes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from features.errors import InputError

SECONDS = 10
_DATABASES = ("postgresql", "mysql", "mssql")
_ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": str(SECONDS)}


def reach(uri: str) -> None:
    """Ask a store for its experiments, which makes a new database ready.

    Raises
    ------
    InputError
        It does not answer; its password is not repeated.
    """
    from mlflow import MlflowClient

    try:
        if uri.startswith(_DATABASES):
            _connect(uri)
        with _impatient():
            MlflowClient(uri, uri).search_experiments(max_results=1)
    except Exception as error:
        raise InputError(
            f"the store of runs does not answer: {type(error).__name__}",
            where=f"MLFLOW_TRACKING_URI {_shown(uri)}",
            remedy="start it, correct the address, or unset the variable for mlruns/mlflow.db; nothing was trained",
        ) from None


def _connect(uri: str) -> None:
    from sqlalchemy import create_engine

    waiting = {"connect_timeout": SECONDS} if uri.startswith(("postgresql", "mysql")) else {}
    engine = create_engine(uri, connect_args=waiting)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


@contextmanager
def _impatient() -> Iterator[None]:
    kept = {name: os.environ.get(name) for name in _ONCE}
    os.environ.update({name: value for name, value in _ONCE.items() if kept[name] is None})
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)


def _shown(uri: str) -> str:
    """Return a URI without who asks and how."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
