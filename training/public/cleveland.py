"""Cleveland: coronary disease at angiography, 303 patients."""

from __future__ import annotations

import numpy as np

from training.public.judged import Judged, Table, cross_validated, data_file

NAMES = (
    "age",
    "male",
    "pain_atypical",
    "pain_other",
    "pain_none",
    "pressure",
    "cholesterol",
    "fasting_glucose_high",
    "ecg_st",
    "ecg_hypertrophy",
    "rate_most",
    "pain_on_effort",
    "st_depression",
    "st_slope_flat",
    "st_slope_down",
    "vessels",
    "thallium_fixed",
    "thallium_reversible",
)


def disease() -> Judged:
    """Judge whether any vessel is narrowed."""
    rows = np.genfromtxt(data_file("uci_heart_cleveland", "processed.cleveland.data.gz"), delimiter=",")
    pain, ecg, slope, thallium = rows[:, 2], rows[:, 6], rows[:, 10], rows[:, 12]
    x = np.column_stack(
        [
            rows[:, 0],
            rows[:, 1],
            *(_is(pain, kind) for kind in (2, 3, 4)),
            *(rows[:, place] for place in (3, 4, 5)),
            *(_is(ecg, kind) for kind in (1, 2)),
            *(rows[:, place] for place in (7, 8, 9)),
            *(_is(slope, kind) for kind in (2, 3)),
            rows[:, 11],
            *(_is(thallium, kind) for kind in (6, 7)),
        ]
    )
    core = (
        "vessels",
        "st_depression",
        "rate_most",
        "age",
        "thallium_reversible",
        "pain_none",
        "pain_on_effort",
        "male",
        "pressure",
        "st_slope_flat",
        "pain_other",
        "cholesterol",
    )
    return cross_validated(
        Table(NAMES, x, (rows[:, 13] > 0).astype(float), np.arange(len(x)).astype(str), core, {"age": x[:, 0]}),
        "uci_heart_cleveland",
        "a vessel narrowed by half or more at angiography",
        "this set's page: logistic .898, LightGBM .892; cross-validated figures in print about .90",
    )


def _is(column: np.ndarray, kind: int) -> np.ndarray:
    return np.where(np.isnan(column), np.nan, (column == kind).astype(float))
