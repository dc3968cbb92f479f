"""NHANES 2017-2018: diabetes that nobody has diagnosed, and diabetes of any kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from features.sources.nhanes import frame
from training.models.published import NEW_CHINESE
from training.points import Points
from training.public.judged import Judged, Table, cross_validated
from training.tasks import task

if TYPE_CHECKING:
    import pandas as pd


def undiagnosed() -> Judged:
    """HbA1c of 6.5 % or more in adults never told of diabetes, from questionnaire, body and blood pressure."""
    people = frame()
    asked = (people["age"] >= 20) & (people["told_diabetes"] == "0") & people["hba1c"].notna()
    chosen = people[asked]
    return cross_validated(
        _table(chosen, (chosen["hba1c"] >= 6.5).to_numpy(dtype=float)),
        "nhanes_undiagnosed",
        "diabetes that nobody has diagnosed, adults never told of it, no laboratory value read",
        "this set's page: logistic .792 with ethnicity and laboratory columns; Yu 2010 (1999-2004): SVM .732",
        "Ethnicity and 'told of prediabetes' are left out; with both our logistic reaches .810 (self_test_diabetes).",
    )


def total() -> Judged:
    """Told of diabetes, or HbA1c of 6.5 % or more, in adults whose HbA1c was measured; 'borderline' is neither."""
    people = frame()
    asked = (people["age"] >= 20) & people["told_diabetes"].isin(["0", "1"]) & people["hba1c"].notna()
    chosen = people[asked]
    y = ((chosen["told_diabetes"] == "1") | (chosen["hba1c"] >= 6.5)).to_numpy(dtype=float)
    return cross_validated(
        _table(chosen, y),
        "nhanes_diabetes",
        "diabetes, told or by HbA1c, adults whose HbA1c was measured, no laboratory value read",
        "this set's page: logistic .805, LightGBM .799; Yu 2010 (1999-2004): SVM .835",
    )


def _table(people: pd.DataFrame, y: np.ndarray) -> Table:
    inputs = task("self_test_diabetes").inputs
    names = inputs.core
    x = people[list(names)].to_numpy(dtype=float)
    return Table(
        names,
        x,
        y,
        people["seqn"].to_numpy(dtype=str),
        names,
        {"age": x[:, names.index("age")], "new_chinese_score": Points.fitted(NEW_CHINESE, x, names).margin(x)},
        inputs.monotone,
        (NEW_CHINESE,),
    )
