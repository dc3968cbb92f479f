"""The peer that people install: an MLflow pyfunc model that returns SHAP values, under ``mlflow models serve``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import shap


class Explained(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined,misc]
    """Gives the probability and the SHAP values of each row of a DataFrame."""

    def load_context(self, context: Any) -> None:
        self._booster = lightgbm.Booster(model_file=context.artifacts["booster"])
        self._explainer = shap.TreeExplainer(self._booster)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> list[dict[str, Any]]:
        frame = model_input.astype(float)
        probability = self._booster.predict(frame)
        contributions = np.asarray(self._explainer.shap_values(frame))
        return [
            {"probability": float(p), "shap": row.tolist()} for p, row in zip(probability, contributions, strict=True)
        ]


def save(folder: Path, booster: Path) -> None:
    """Write the model as MLflow serves it."""
    mlflow.pyfunc.save_model(
        path=folder, python_model=__file__, artifacts={"booster": str(booster)}, pip_requirements=["mlflow"]
    )


def command(folder: Path) -> list[str]:
    """Return the command that serves the model at PORT."""
    return ["-m", "mlflow", "models", "serve", "-m", str(folder), "--env-manager", "local", "-p", "PORT"]


def body(names: list[str], row: list[float | None]) -> bytes:
    """Return a request for one ready vector."""
    return json.dumps({"dataframe_split": {"columns": names, "data": [row]}}).encode()


mlflow.models.set_model(Explained())
