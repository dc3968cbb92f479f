"""Who was left out, at which step, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Step:
    """One step: rows and patients left out, and left over; ``weightless`` rows are kept at weight 0."""

    name: str
    rows_out: int
    patients_out: int
    rows_left: int
    patients_left: int
    rules: Mapping[str, int] = field(default_factory=dict)
    weightless: int = 0


@dataclass
class Attrition:
    """The steps in order. ``patients_out`` counts patients who had a row before the step and have none after it."""

    steps: list[Step] = field(default_factory=list)

    def start(self, name: str, patient_id: np.ndarray) -> None:
        """Open the table with all rows."""
        self.steps.append(Step(name, 0, 0, len(patient_id), len(np.unique(patient_id))))

    def drop(
        self,
        name: str,
        patient_id: np.ndarray,
        out: np.ndarray,
        left: np.ndarray,
        rules: Mapping[str, int] | None = None,
    ) -> None:
        """Record a step that leaves out the rows ``out`` and keeps the rows ``left``."""
        stay = np.unique(patient_id[left])
        gone = np.setdiff1d(np.unique(patient_id[out]), stay, assume_unique=True)
        self.steps.append(Step(name, int(out.sum()), len(gone), int(left.sum()), len(stay), dict(rules or {})))

    def weigh(self, name: str, weightless: np.ndarray) -> None:
        """Record a step that keeps all rows and takes the weight of some; they are counted, not left out."""
        last = self.steps[-1]
        step = Step(name, 0, 0, last.rows_left, last.patients_left, weightless=int(weightless.sum()))
        self.steps.append(step)

    def note(self, name: str) -> None:
        """Record a step that left nobody out because it could not be asked."""
        last = self.steps[-1]
        self.steps.append(Step(name, 0, 0, last.rows_left, last.patients_left))

    def rows(self) -> list[dict[str, object]]:
        """The table as plain records, for a log or a card."""
        return [
            {
                "step": step.name,
                "rows_out": step.rows_out,
                "patients_out": step.patients_out,
                "rows_left": step.rows_left,
                "patients_left": step.patients_left,
                **({"weightless": step.weightless} if step.weightless else {}),
                **({"let_in_by": dict(step.rules)} if step.rules else {}),
            }
            for step in self.steps
        ]
