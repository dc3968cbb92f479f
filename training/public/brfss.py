"""BRFSS 2015: diabetes from 21 answers of a telephone survey, 253,680 rows of which 24,206 are copies."""

from __future__ import annotations

import hashlib

import numpy as np

from training.public.judged import Judged, Table, data_file, held_out

_CORE = (
    "BMI",
    "Age",
    "GenHlth",
    "PhysHlth",
    "HighBP",
    "HighChol",
    "CholCheck",
    "HvyAlcoholConsump",
    "Sex",
    "HeartDiseaseorAttack",
    "Income",
    "DiffWalk",
    "Stroke",
    "PhysActivity",
    "Education",
    "MentHlth",
)


def diabetes() -> Judged:
    """Judge told of diabetes; copies of one row stand on one side of the split."""
    import pandas as pd

    read = pd.read_csv(data_file("brfss2015_diabetes", "diabetes_binary_health_indicators_BRFSS2015.csv.gz"))
    y = read.pop("Diabetes_binary").to_numpy(dtype=float)
    x = np.ascontiguousarray(read.to_numpy(dtype=float))
    names = tuple(str(name) for name in read.columns)
    person = np.array([hashlib.blake2b(row.tobytes(), digest_size=12).hexdigest() for row in x])
    column = dict(zip(names, x.T))
    return held_out(
        Table(
            names,
            x,
            y,
            person,
            _CORE,
            {"bmi": column["BMI"], "general_health": column["GenHlth"]},
            {"BMI": "up", "Age": "up", "GenHlth": "up", "HighBP": "up", "HighChol": "up"},
        ),
        "brfss2015_diabetes",
        "told of diabetes (cross-sectional answers: screening, not incidence)",
        0.2,
        "this set's page: logistic .824, LightGBM .832; in print logistic .818, random forest .821",
        "Rows alike in every answer, whatever the outcome, are one person to the split.",
    )
