"""Train, calibration and test never share a patient, nor a moment within the embargo."""

import numpy as np
import pytest

from features.instants import DAY
from training.split import SplitValues, draw, split

VALUES = SplitValues(seed="s", train=0.6, calibration=0.2, test=0.2, test_time=0.3, reporting_lag_days=30)
PATIENTS = np.repeat([f"p{n}" for n in range(500)], 20)
MONTHS = np.tile(np.arange(20) * 30 * DAY, 500)


def test_parts_are_apart_by_patient_and_by_the_embargo():
    found = split(PATIENTS, MONTHS, 90, VALUES)
    members = {part: set(PATIENTS[found.rows(part)]) for part in ("train", "calibration", "test")}
    assert not members["train"] & members["test"] and not members["calibration"] & members["test"]
    assert not members["train"] & members["calibration"]
    learnt = found.rows("train") | found.rows("calibration")
    assert MONTHS[learnt].max() + 90 * DAY <= MONTHS[found.rows("test")].min()
    assert found.embargo_days == 90
    assert 0.5 < len(members["train"]) / 500 < 0.7


def test_a_lake_too_short_for_the_embargo_is_said_so():
    found = split(PATIENTS, MONTHS, 700, VALUES)
    assert found.embargo_days == 0 and "too short for an embargo of 700 days" in found.note
    assert not set(PATIENTS[found.rows("train")]) & set(PATIENTS[found.rows("test")])
    assert (found.part != "").all()


def test_a_patients_part_depends_on_the_patient_alone():
    assert draw(np.array(["b", "a"]), "s")[1] == draw(np.array(["a"]), "s")[0]
    assert draw(np.array(["a"]), "s")[0] != draw(np.array(["a"]), "t")[0]


def test_shares_must_add_up():
    with pytest.raises(ValueError, match="add up to 1"):
        SplitValues(seed="s", train=0.6, calibration=0.3, test=0.2, test_time=0.3, reporting_lag_days=0)
