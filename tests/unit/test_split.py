"""Train and test never share a patient, nor a moment within the embargo."""

import numpy as np

from features.instants import DAY
from training.split import PARTS, SplitValues, draw, split

VALUES = SplitValues(seed="s", test=0.25, test_time=0.3, reporting_lag_days=30, least_followed=0.1)
PATIENTS = np.repeat([f"p{n}" for n in range(500)], 20)
MONTHS = np.tile(np.arange(20) * 30 * DAY, 500)


def test_parts_are_apart_by_patient_and_by_the_embargo():
    found = split(PATIENTS, MONTHS, 90, VALUES)
    members = {part: set(PATIENTS[found.rows(part)]) for part in PARTS}
    assert not members["train"] & members["test"]
    assert MONTHS[found.rows("train")].max() + 90 * DAY <= MONTHS[found.rows("test")].min()
    assert found.embargo_days == 90
    assert 0.65 < len(members["train"]) / 500 < 0.85


def test_a_lake_too_short_for_the_embargo_is_said_so():
    found = split(PATIENTS, MONTHS, 700, VALUES)
    assert found.embargo_days == 0 and "too short for an embargo of 700 days" in found.note
    assert not set(PATIENTS[found.rows("train")]) & set(PATIENTS[found.rows("test")])
    assert (found.part != "").all()


def test_a_patients_part_depends_on_the_patient_alone():
    assert draw(np.array(["b", "a"]), "s")[1] == draw(np.array(["a"]), "s")[0]
    assert draw(np.array(["a"]), "s")[0] != draw(np.array(["a"]), "t")[0]
