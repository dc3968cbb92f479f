"""Plain BentoML endpoints as its guide writes them: one that explains a ready vector, one that does nothing."""

from __future__ import annotations

import os

import bentoml


@bentoml.service
class Plain:
    """DataFrame in, probability and shap.TreeExplainer's values out."""

    def __init__(self) -> None:
        import lightgbm
        import shap

        self._booster = lightgbm.Booster(model_file=os.environ["BENCH_BOOSTER"])
        self._explainer = shap.TreeExplainer(self._booster)

    @bentoml.api
    def score(self, columns: list[str], data: list[list[float | None]]) -> dict[str, list[float]]:
        import numpy as np
        import pandas as pd

        frame = pd.DataFrame(data, columns=columns, dtype=float)
        shap_values = np.asarray(self._explainer.shap_values(frame))
        return {"probability": self._booster.predict(frame).tolist(), "shap": shap_values[0].tolist()}


@bentoml.service
class Empty:
    """The least that a default service can do."""

    @bentoml.api
    def empty(self, patient_id: str) -> dict[str, str]:
        return {"patient_id": patient_id}
