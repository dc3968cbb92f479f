"""Are there enough patients? Riley et al., BMJ 2020;368:m441 (four criteria), counted in patients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from features.errors import InputError

MIN_EVENTS = 50
SHRINKAGE = 0.9


@dataclass(frozen=True)
class SampleSize:
    """What there is and what is needed.

    ``verdict``: ``sufficient``; ``exploratory`` below the shrinkage criterion for the logistic
    candidate's parameters; ``refused`` below 50 events or below the criterion for the intercept.
    ``whole`` is (patients, events) of everybody, where only a part is learnt from and judged.
    """

    patients: int
    events: int
    parameters: int
    needed_intercept: int
    needed_shrinkage: int
    verdict: Literal["sufficient", "exploratory", "refused"]
    whole: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """The numbers, and those that are missing, in one sentence."""
        needs = (
            (f"events (at least {MIN_EVENTS})", MIN_EVENTS, self.events),
            (f"patients for the intercept (at least {self.needed_intercept})", self.needed_intercept, self.patients),
            (
                f"patients for {self.parameters} parameters (at least {self.needed_shrinkage} for a shrinkage of .9)",
                self.needed_shrinkage,
                self.patients,
            ),
        )
        known = needs if self.events else needs[:1]  # without an event there is no risk to reckon with
        missing = [f"{need - got} more {what}" for what, need, got in known if got < need]
        have = f"{self.patients} patients with {self.events} events"
        if self.whole is not None:
            have += f" to learn from (of {self.whole[0]} with {self.whole[1]} in all)"
        return have + (": missing " + "; ".join(missing) if missing else ": enough")


def sample_size(patients: int, events: int, parameters: int, whole: tuple[int, int] | None = None) -> SampleSize:
    """Judge the patients and events that a model learns from, ``whole`` being (patients, events) of everybody.

    The criterion for the intercept is a margin of .05 around the overall risk; the criterion for
    shrinkage takes a Cox-Snell R2 of .15 of its maximum, Riley's advice where no earlier model is
    known: n >= p / ((S - 1) ln(1 - R2 / S)).
    """
    if patients <= 0:
        raise InputError("nobody is left in the cohort", where="sample size", remedy="see the attrition table")
    share = min(max(events / patients, 1e-9), 1 - 1e-9)
    intercept = math.ceil((1.96 / 0.05) ** 2 * share * (1 - share))
    null = 2 * (share * math.log(share) + (1 - share) * math.log(1 - share))
    r2 = 0.15 * (1 - math.exp(null))
    shrinkage = math.ceil(parameters / ((SHRINKAGE - 1) * math.log(1 - r2 / SHRINKAGE)))
    verdict: Literal["sufficient", "exploratory", "refused"] = "sufficient"
    if events < MIN_EVENTS or patients < intercept:
        verdict = "refused"
    elif patients < shrinkage:
        verdict = "exploratory"
    return SampleSize(patients, events, parameters, intercept, shrinkage, verdict, whole)
