"""churn_interval: who will overrun the personal revisit interval."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from features.params import Values
from training.cohort import Cohort, Columns, Criterion
from training.overrun import BASIS, Overrun, interval
from training.task import Inputs, Task, TimeAtRisk
from training.tasks.churn import CHURN_90D, UNBOUNDED
from training.tasks.criteria import ALIVE, EXPECTED_BACK, NOT_ADMITTED, SEEN_THIS_YEAR, STAYED


class RevisitValues(Values):
    """Section ``churn_interval``: by how much the interval is overrun, and how far ahead is looked."""

    factor: float = Field(gt=1)
    horizon_days: int = Field(gt=0)


def churn_interval(values: RevisitValues) -> Task:
    """Return the task for a factor and a horizon."""
    inputs = CHURN_90D.inputs
    return Task(
        name="churn_interval",
        kind="churn",
        zh=f"将超过个人复诊间隔的{values.factor:g}倍",
        en=f"will overrun {values.factor:g} times the personal revisit interval",
        purposes=("care_followup",),
        time=TimeAtRisk(values.horizon_days, lookback_days=365),
        cohort=Cohort(
            (ALIVE, STAYED, NOT_ADMITTED, SEEN_THIS_YEAR, EXPECTED_BACK, _within(values.factor, values.horizon_days))
        ),
        outcome=Overrun(values.factor),
        inputs=Inputs(
            clinical_groups=inputs.clinical_groups,
            core=("revisit_overrun", *inputs.core),
            left_out=tuple(name for name in UNBOUNDED if name != "revisit_overrun"),
            baselines=dict(inputs.baselines),
            rfm=inputs.rfm,
        ),
    )


def _within(factor: float, horizon_days: int) -> Criterion:
    """Return the criterion that the interval is known and not overrun: by the mean rhythm, which a vector holds."""

    def stays(columns: Columns) -> np.ndarray:
        since, due, overdue = (columns[name] for name in BASIS)
        left = factor * interval(since, due, overdue, columns["revisit_interval_days"]) - since
        return (left > 0) & (left <= horizon_days)

    return Criterion(
        "personal revisit interval not overrun yet",
        (*BASIS, "revisit_interval_days"),
        stays,
        "无个人复诊间隔，或已超期",
        "no personal revisit interval, or overrun already",
    )
