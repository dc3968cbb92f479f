"""PhysioNet 2012, set a: death in hospital from the first 48 hours of intensive care, 3,996 stays.

The measurements become a lake, and the features are written in the words of our own engine: one
landmark a stay, 48 hours after its admission.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.group import FeatureGroup
from features.history import Reduction, Selection
from features.instants import DAY, parse
from training.public.judged import Judged, Table, cross_validated, data_file

if TYPE_CHECKING:
    import pandas as pd

ADMITTED = parse("2012-01-01T00:00:00+00:00")
_NOT_SAID = -1
"""The files write -1 for what was not said. A pressure of 0 was recorded so, and stays; some ages stand twice."""


def mortality() -> Judged:
    """Judge death in hospital; every stay is another person."""
    import pandas as pd

    outcomes = pd.read_csv(data_file("physionet2012", "Outcomes-a.csv"))
    events = pd.read_parquet(data_file("physionet2012", "set-a.parquet"))
    stays = np.sort(events["RecordID"].unique())
    outcomes = outcomes.set_index("RecordID").loc[stays]
    made = vectors(events, stays)
    x = made.to_numpy(dtype=float)
    return cross_validated(
        Table(
            tuple(made.columns),
            x,
            outcomes["In-hospital_death"].to_numpy(dtype=float),
            stays.astype(str),
            _core(made),
            {"saps_1": outcomes["SAPS-I"].to_numpy(dtype=float), "sofa": outcomes["SOFA"].to_numpy(dtype=float)},
        ),
        "physionet2012",
        "death in hospital from the first 48 hours of intensive care, set a",
        "this set's page: logistic .839, LightGBM .874; Che 2018, GRU-D on set a: .842 (.012)",
        "SAPS-I and SOFA are of the first day; the measurements of 48 hours hold more.",
    )


def groups(parameters: tuple[str, ...]) -> tuple[FeatureGroup, ...]:
    """Return one group: of every parameter its level, spread, extremes, trend and how often it was measured."""
    history = Selection("observations")
    features: dict[str, Reduction] = {}
    for name in parameters:
        key, mine = name.lower(), history.coded(name)
        day = mine.within(days=1)
        features |= {
            f"{key}_count": mine.count(),
            f"{key}_mean": mine.mean("value"),
            f"{key}_min": mine.min("value"),
            f"{key}_max": mine.max("value"),
            f"{key}_std": mine.std("value"),
            f"{key}_first": mine.first("value"),
            f"{key}_last": mine.last("value"),
            f"{key}_slope": mine.slope("value"),
            f"{key}_mean_24h": day.mean("value"),
            f"{key}_min_24h": day.min("value"),
            f"{key}_max_24h": day.max("value"),
        }
    purposes = ("care_followup",)
    return (FeatureGroup("intensive_care", "observations", purposes, "a public data set", "vital_signs", features),)


def vectors(events: pd.DataFrame, stays: np.ndarray) -> pd.DataFrame:
    """Return the vectors of the stays at 48 hours, built by the engine from a lake of their measurements."""
    import pandas as pd

    from features.build import build

    kept = events[(events["Parameter"] != "RecordID") & (events["Value"] != _NOT_SAID)]
    name = kept["Parameter"].astype(str)
    time = ADMITTED + kept["Minute"].to_numpy(dtype=np.int64) * 60_000_000
    rows = pd.DataFrame(
        {
            "patient_id": kept["RecordID"].astype(str).to_numpy(),
            "time": pd.to_datetime(time, unit="us", utc=True),
            "event_id": np.char.zfill(np.arange(len(kept)).astype(str), 8),
            "code_system": "physionet",
            "code": name.to_numpy(),
            "value": kept["Value"].to_numpy(dtype=float),
        }
    )
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "observations").mkdir()
        rows.to_parquet(Path(place) / "observations" / "part.parquet", index=False)
        at = pd.to_datetime(np.full(len(stays), ADMITTED + 2 * DAY), unit="us", utc=True)
        landmarks = pd.DataFrame({"patient_id": stays.astype(str), "at": at})
        made = build(place, landmarks, groups(tuple(sorted(name.unique()))))
    return made.drop(columns=["patient_id", "at"])


def _core(made: pd.DataFrame) -> tuple[str, ...]:
    """Return what the logistic candidate reads: the measures of a severity score, by level and worst value."""
    wanted = (
        "gcs_last",
        "bun_last",
        "age_mean",
        "urine_mean",
        "gcs_min",
        "hr_mean_24h",
        "temp_min",
        "sysabp_mean_24h",
        "nisysabp_mean_24h",
        "lactate_last",
        "bilirubin_last",
        "creatinine_last",
        "hco3_last",
        "wbc_last",
        "platelets_last",
        "sodium_last",
        "potassium_last",
        "glucose_mean",
        "pao2_mean",
        "fio2_last",
        "ph_last",
        "resprate_mean_24h",
        "mechvent_count",
        "albumin_last",
        "hct_last",
        "bun_slope",
        "gcs_slope",
        "weight_last",
    )
    return tuple(name for name in wanted if name in made.columns)
