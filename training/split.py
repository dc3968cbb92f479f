"""Two parts, train and test, apart by patient and by time, with an embargo between.

The calibration needs no third part: it is fitted to out-of-fold margins of the train part.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from features.instants import DAY
from features.params import Values, section

PARTS = ("train", "test")


class SplitValues(Values):
    """Section ``split`` of params.yaml: shares of patients, share of the landmarks' time that is tested.

    ``least_followed`` truncates the probability of being followed, whose inverse weighs a row.
    """

    seed: str
    test: float = Field(gt=0, lt=1)
    test_time: float = Field(gt=0, lt=1)
    reporting_lag_days: int = Field(ge=0)
    least_followed: float = Field(gt=0, le=1)


@dataclass(frozen=True)
class Split:
    """Which rows belong to which part.

    ``part`` is (n,) of ``train``, ``test`` or empty: a row whose patient is of one part and whose time
    is of the other belongs to none. ``embargo_days`` lie between the last
    landmark that is learnt from and the first that is tested; where the lake is too short for an
    embargo of the horizon, the parts are apart by patient alone and ``note`` says so.
    """

    part: np.ndarray
    embargo_days: int
    note: str

    def rows(self, part: str) -> np.ndarray:
        """Return the (n,) boolean mask of a part."""
        return self.part == part


def draw(patient_id: np.ndarray, seed: str) -> np.ndarray:
    """Return a number in [0, 1) for each row, fixed by the patient and the seed alone."""
    names, row = np.unique(patient_id, return_inverse=True)
    key = seed.encode()
    numbers = [
        int.from_bytes(hashlib.blake2b(str(name).encode(), key=key, digest_size=8).digest(), "big") for name in names
    ]
    return (np.array(numbers, dtype=np.float64) / 2.0**64)[row] if len(names) else np.empty(0)


def split(patient_id: np.ndarray, at: np.ndarray, horizon_days: int, values: SplitValues | None = None) -> Split:
    """Part rows by patient and time.

    Parameters
    ----------
    patient_id
        (n,) patient of each row.
    at
        (n,) landmark, UTC microseconds.
    horizon_days
        Length of the time at risk: the embargo.
    """
    values = values or section("split", SplitValues)
    number = draw(patient_id, values.seed)
    by_patient = np.where(number < values.test, "test", "train")
    times = np.unique(at)
    first_tested = times[min(len(times) - 1, int(np.floor(len(times) * (1 - values.test_time))))] if len(times) else 0
    learnt = at + horizon_days * DAY <= first_tested
    if horizon_days == 0 or not learnt.any():
        why = f"the lake is too short for an embargo of {horizon_days} days" if horizon_days else "one row a person"
        return Split(by_patient, 0, f"apart by patient alone: {why}")
    right_time = np.where(by_patient == "test", at >= first_tested, learnt)
    embargo = int((first_tested - at[learnt].max()) // DAY)
    return Split(np.where(right_time, by_patient, ""), embargo, f"apart by patient and by {embargo} days")
