"""On a hospital that loses many patients: weighting beats dropping them, against the simulator's truth."""

import sys
from dataclasses import replace
from datetime import date

import pytest

from bench.censored import bias, shown
from features.lake import Lake
from simulation.setting import Setting
from simulation.write import hospital
from training.labelled import labelled


@pytest.mark.slow
@pytest.mark.parametrize(("name", "leaving"), [("churn_90d", 1.0), ("diabetes_12m", 0.6)])
def test_weighting_beats_dropping_the_lost_against_the_truth(tmp_path, home, name, leaving, capsys):
    """The truth is the probability of each landmark were the patient followed; the bounds are those of the bootstrap.

    Who is less engaged leaves sooner and is diagnosed later, which one G for everybody cannot know: what is
    left of the bias has that sign.
    """
    setting = replace(Setting(), leave_rate=leaving, death_rate=0.0005, incidence=2.0)
    hospital(tmp_path, 4000, 3, 21, date(2025, 12, 31), setting=setting)
    found = bias(labelled(name, Lake(tmp_path / "lake")), tmp_path)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{name}: mean risk off by {shown(found.weighted)} weighted, {shown(found.dropped)} dropped\n"
        )
    assert found.lost > 0.03
    assert found.weighted.covers(0) and not found.dropped.covers(0)
    assert abs(found.weighted.value) < abs(found.dropped.value) / 2
