"""On a hospital that loses many patients: weighting beats dropping them, against the simulator's truth."""

import sys
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

import training
from features.lake import Lake
from simulation.setting import Setting
from simulation.write import hospital


@pytest.mark.slow
@pytest.mark.parametrize(("name", "leaving", "least"), [("churn_90d", 1.0, 0.01), ("diabetes_12m", 0.6, 0.009)])
def test_weighting_beats_dropping_the_lost_against_the_truth(tmp_path, home, name, leaving, least):
    """The truth is the probability of each landmark were the patient followed."""
    setting = replace(Setting(), leave_rate=leaving, death_rate=0.0005, incidence=2.0)
    hospital(tmp_path, 4000, 3, 21, date(2025, 12, 31), setting=setting)
    data = training.dataset(name, Lake(tmp_path / "lake"))
    truth = pd.read_parquet(tmp_path / "truth" / f"{name}.parquet")
    at = pd.to_datetime(truth["at"], utc=True).astype("datetime64[us, UTC]").astype("int64")
    known = pd.Series(truth["probability"].to_numpy(), index=pd.MultiIndex.from_arrays([truth["patient_id"], at]))
    true = known.reindex(pd.MultiIndex.from_arrays([data.patient_id, data.at])).to_numpy()
    has = ~np.isnan(true)
    assert has.mean() > 0.95 and (data.weight[has] == 0).mean() > 0.03
    y, weight = data.y[has], data.weight[has]
    weighted, dropped = weight @ y / weight.sum() - true[has].mean(), y[weight > 0].mean() - true[has].mean()
    sys.stdout.write(f"\n{name}: mean risk off by {weighted:+.4f} weighted, {dropped:+.4f} with the lost dropped\n")
    assert abs(weighted) < least and abs(weighted) < abs(dropped) / 2, (weighted, dropped)
