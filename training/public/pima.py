"""Pima: diabetes within five years, 768 women; a zero stands for a missing value."""

from __future__ import annotations

import numpy as np

from training.public.judged import Judged, Table, cross_validated, data_file

NAMES = ("pregnancies", "glucose", "diastolic", "skin", "insulin", "bmi", "pedigree", "age")
_ZERO_IS_MISSING = ("glucose", "diastolic", "skin", "insulin", "bmi")


def diabetes() -> Judged:
    """Judge diabetes within five years."""
    rows = np.loadtxt(data_file("pima", "pima-indians-diabetes.csv.gz"), delimiter=",")
    x, y = rows[:, :-1].copy(), rows[:, -1]
    for name in _ZERO_IS_MISSING:
        column = x[:, NAMES.index(name)]
        column[column == 0] = np.nan
    glucose = x[:, NAMES.index("glucose")]
    return cross_validated(
        Table(
            NAMES,
            x,
            y,
            np.arange(len(y)).astype(str),
            ("glucose", "bmi", "age", "pedigree", "pregnancies", "diastolic"),
            {"glucose": glucose},
            {"glucose": "up", "bmi": "up"},
        ),
        "pima",
        "diabetes within five years (Smith 1988)",
        "this set's page: logistic .838, LightGBM .816; Smith 1988: sensitivity = specificity = 76 %",
    )
