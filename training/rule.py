"""Rule: what decides where nothing is learnt, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.errors import InputError
from training.cohort import Columns, Test, asked


@dataclass(frozen=True)
class Finding:
    """One way in which a rule is met.

    Parameters
    ----------
    name
        Short name.
    needs
        Features that the test reads.
    test
        Arrays by feature in, one boolean a row out.
    zh, en
        What a person is told.
    """

    name: str
    needs: tuple[str, ...]
    test: Test
    zh: str
    en: str

    def met(self, columns: Columns) -> np.ndarray:
        """Return the (n,) rows that meet it."""
        count = len(next(iter(columns.values()), np.empty(0)))
        return asked(self.test, columns, self.needs, count, f"rule, finding '{self.name}'")


@dataclass(frozen=True)
class Rule:
    """A rule is met where any of its findings is; ``source`` says where it comes from."""

    findings: tuple[Finding, ...]
    source: str

    def __post_init__(self) -> None:
        if not self.findings:
            raise InputError("a rule needs a finding", where="rule")

    @property
    def needs(self) -> tuple[str, ...]:
        """Features read by any finding, each once."""
        return tuple(dict.fromkeys(name for finding in self.findings for name in finding.needs))

    def met(self, columns: Columns) -> np.ndarray:
        """Return the (n,) rows that meet the rule."""
        return np.logical_or.reduce([finding.met(columns) for finding in self.findings])

    def reasons(self, values: Mapping[str, float]) -> tuple[Finding, ...]:
        """Return the findings that one person meets."""
        columns = {name: np.array([values[name]], dtype=float) for name in self.needs}
        return tuple(each for each in self.findings if each.met(columns)[0])
