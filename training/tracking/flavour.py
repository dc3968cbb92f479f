"""What ``mlflow.pyfunc.load_model`` runs: the Scorer of the artefact, loaded by its digest; nothing is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from features.errors import InputError
from training.scorer import Scorer


class ScorerModel(PythonModel):
    """Probabilities for a frame of named columns, in any order; NaN for null."""

    def load_context(self, context: Any) -> None:
        self.scorer = Scorer.load(Path(context.artifacts["artefact"]), context.model_config["digest"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> np.ndarray:
        """Return (n,) probabilities."""
        names = list(self.scorer.spec.names)
        missing = [name for name in names if name not in model_input.columns]
        if missing:
            raise InputError(f"the frame lacks the column '{missing[0]}'", where=f"model {self.scorer.task}")
        return self.scorer.probability(model_input[names].to_numpy(dtype=np.float64))


set_model(ScorerModel())
