"""What ``mlflow.pyfunc.load_model`` runs: the Scorer of the artefact, loaded by its digest; nothing is pickled."""

from __future__ import annotations

import os
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from features.errors import InputError
from training.scorer import Scorer


class ScorerModel(PythonModel):
    """Probabilities for a frame of named columns, in any order; NaN for null, whole numbers as they are.

    The signature names the columns and leaves it to this class to refuse what is no number: MLflow
    would refuse whole numbers, too, and print the patients' values.
    """

    def load_context(self, context: Any) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_SCHEMA_DETAILS", "true")  # what is no frame is not printed either
        self.scorer = Scorer.load(Path(context.artifacts["artefact"]), context.model_config["digest"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        """Return (n,) probabilities.

        Raises
        ------
        InputError
            A column is missing, or holds what is no number; no value is repeated.
        """
        names, where = self.scorer.spec.names, f"model {self.scorer.task}"
        given = tuple(str(name) for name in model_input.columns)
        for name in names:
            if name not in given:
                raise InputError(
                    f"the frame lacks the column '{name}'",
                    where=where,
                    remedy=f"give all of the model's {len(names)} columns by name, NaN for null",
                )
        return self.scorer.probability(np.stack([_numbers(model_input[name], where) for name in names], axis=1))


def _numbers(column: pd.Series, where: str) -> np.ndarray:
    """Return a column as doubles: whole numbers and truth values as they are, NaN for null."""
    wrong = not pd.api.types.is_numeric_dtype(column)
    if wrong and column.dtype == object:
        wrong = not all(isinstance(each, Real) for each in column[column.notna()])
    if wrong and column.isna().all():
        return np.full(len(column), np.nan)
    if wrong or pd.api.types.is_complex_dtype(column):
        raise InputError(f"the column '{column.name}' holds what is no number", where=where, remedy="NaN for null")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


set_model(ScorerModel())
