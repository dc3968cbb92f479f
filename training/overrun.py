"""Overrun of the personal revisit interval: the outcome of churn_interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.attrition import Attrition
from training.followup import Followup
from training.outcome import Labels, silent

BASIS = ("visit_days_since", "plan_due_days_since", "supply_overdue_days")
LEAST_DAYS = 7.0


def interval(since: np.ndarray, due: np.ndarray, overdue: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the (n,) personal revisit interval in days, null where nothing says one.

    The plan's next step where it falls due after the last contact, else the end of the medicines'
    supply where it does, else the patient's own rhythm; a week at least.

    Parameters
    ----------
    since
        Days since the last contact.
    due, overdue
        Days since the next step fell due, since the supply ran out; negative while ahead.
    own
        The patient's own rhythm in days.
    """
    planned, supplied = since - due, since - overdue
    found = np.where(supplied > 0, supplied, own)
    found = np.where(planned > 0, planned, found)
    return np.where(np.isnan(found) | np.isnan(since), np.nan, np.maximum(found, LEAST_DAYS))


@dataclass(frozen=True)
class Overrun:
    """No qualifying contact before the personal revisit interval has run ``factor`` times since the last one.

    The own rhythm is the median time between days with contact over two years. A landmark whose
    interval is overrun already, or cannot be told, or runs past the horizon, is left out.
    """

    factor: float

    @property
    def text(self) -> str:
        return (
            f"no finished encounter before {self.factor:g} times the personal revisit interval (next step due, supply, "
            "or the median time between contacts) has passed since the last one"
        )

    def label(self, follow: Followup, attrition: Attrition, horizon_days: int, washout_days: int) -> Labels:
        since, due, overdue = follow.features(BASIS).T
        own = follow.median_gap("encounters", 730, status="finished")
        left = self.factor * interval(since, due, overdue, own) - since
        untold, over, far = np.isnan(left), left <= 0, left > horizon_days
        kept = ~(untold | over | far)
        patients = follow.patient_id
        attrition.drop("no revisit interval can be told", patients, untold, ~untold)
        attrition.drop("overrun at the landmark already", patients, ~untold & over, ~untold & ~over)
        attrition.drop(f"overrun only after {horizon_days} days", patients, ~untold & ~over & far, kept)
        contact = follow.next_after("encounters", status="finished")
        found = silent(follow, contact, np.where(kept, left, 1.0), attrition, "a contact", kept)
        return Labels(np.where(kept, found.y, np.nan), found.days, found.ended)
