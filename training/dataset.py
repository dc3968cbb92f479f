"""Dataset: a task's labelled landmarks as a data scientist takes them in hand, in pandas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from training.calling import callable_as
from training.labelled import Folds, Labelled, labelled
from training.task import Task

if TYPE_CHECKING:
    from features.lake import Lake


@dataclass(frozen=True)
class Dataset:
    """Labelled rows, one a landmark, in order of patient and time; every column has the same index.

    Parameters
    ----------
    rows
        The same as arrays.
    """

    rows: Labelled

    @property
    def X(self) -> pd.DataFrame:
        """The vectors, columns in the order of the VectorSpec, NaN for null."""
        return pd.DataFrame(self.rows.x, columns=list(self.rows.spec.names))

    @property
    def y(self) -> pd.Series:
        """1.0 or 0.0."""
        return pd.Series(self.rows.y, name="y")

    @property
    def weight(self) -> pd.Series:
        """Weight of each row, the same in fitting, calibration and measures; 0 where it was lost to follow-up."""
        return pd.Series(self.rows.weight, name="weight")

    @property
    def patient_id(self) -> pd.Series:
        """Surrogate of the patient."""
        return pd.Series(self.rows.patient_id.astype(str), name="patient_id", dtype="str")

    @property
    def at(self) -> pd.Series:
        """The landmark's instant, in UTC."""
        return pd.Series(pd.to_datetime(self.rows.at, unit="us", utc=True), name="at")

    @property
    def split(self) -> pd.Series:
        """``train``, ``test`` or empty: between the parts, or lost to follow-up."""
        return pd.Series(self.rows.parts.part.astype(str), name="split", dtype="str")

    def attrition(self) -> pd.DataFrame:
        """Return who was left out, at which step, and why."""
        return pd.DataFrame(self.rows.log.rows())

    def cv(self, folds: int = 5) -> Folds:
        """Return a scikit-learn splitter: patients apart, time forward, an embargo of the horizon."""
        return self.rows.cv(folds)


def dataset(task: Task | str, lake: Lake | Path | str, overrides: tuple[str, ...] = (), sample: float = 1.0) -> Dataset:
    """Return the labelled vectors of a task over a lake; see :func:`training.labelled.labelled`."""
    return Dataset(labelled(task, lake, overrides, sample))


callable_as(__name__, dataset)
