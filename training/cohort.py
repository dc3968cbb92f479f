"""Who may be asked about: criteria written over features, so that training and serving agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.errors import InputError
from training import sound
from training.attrition import Attrition

Columns = Mapping[str, np.ndarray]
Test = Callable[[Columns], np.ndarray]


@dataclass(frozen=True)
class Criterion:
    """One condition of a cohort.

    Parameters
    ----------
    name
        Short name, shown in the attrition table.
    needs
        Features that the tests read.
    keep
        Arrays by feature in, one boolean a row out: true where the row stays. A null (NaN) excludes
        only where the test says so.
    zh, en
        What a person is told when the criterion leaves somebody out.
    code
        The refusal that serving answers with.
    rules
        For a criterion that several rules satisfy: (name, test) of each, counted in the attrition.
    """

    name: str
    needs: tuple[str, ...]
    keep: Test
    zh: str
    en: str
    code: Literal["not_eligible", "outside_population"] = "not_eligible"
    rules: tuple[tuple[str, Test], ...] = ()

    def met(self, columns: Columns, count: int) -> np.ndarray:
        """Return which of so many rows stay."""
        return asked(self.keep, columns, self.needs, count, f"cohort, criterion '{self.name}'")


@dataclass(frozen=True)
class Cohort:
    """Criteria in the order in which they are applied."""

    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        for criterion in self.criteria:
            sound.is_a(
                criterion, Criterion, "a criterion", "cohort", "Cohort((ALIVE, STAYED)), of training.tasks.criteria"
            )
        names = [criterion.name for criterion in self.criteria]
        if len(set(names)) != len(names):
            raise InputError("two criteria have one name", where="cohort", remedy="name each criterion once")

    @property
    def needs(self) -> tuple[str, ...]:
        """Features read by any criterion, each once, in order of first use."""
        return tuple(dict.fromkeys(name for criterion in self.criteria for name in criterion.needs))

    def apply(self, columns: Columns, patient_id: np.ndarray, attrition: Attrition) -> np.ndarray:
        """Return which rows stay, and write every step into the attrition.

        Parameters
        ----------
        columns
            One array of n values for every feature of :attr:`needs`.
        patient_id
            (n,) patient of each row.
        """
        kept = np.ones(len(patient_id), dtype=bool)
        for criterion in self.criteria:
            where, count = f"cohort, criterion '{criterion.name}'", len(patient_id)
            stays = criterion.met(columns, count)
            rules = {name: asked(test, columns, criterion.needs, count, where) for name, test in criterion.rules}
            let_in = {name: int((kept & stays & met).sum()) for name, met in rules.items()}
            attrition.drop(criterion.name, patient_id, kept & ~stays, kept & stays, let_in)
            kept &= stays
        return kept

    def refusal(self, values: Mapping[str, float]) -> Criterion | None:
        """Return the first criterion that one person fails, or None where all hold."""
        columns = {name: np.array([values[name]], dtype=float) for name in self.needs}
        for criterion in self.criteria:
            if not criterion.met(columns, 1)[0]:
                return criterion
        return None


def asked(test: Test, columns: Columns, needs: tuple[str, ...], count: int, where: str) -> np.ndarray:
    """Return the (count,) answers of a test over the features that it says it needs.

    Raises
    ------
    InputError
        It reads another feature, it fails, or it does not give one boolean a row.
    """
    own = {name: columns[name] for name in needs}
    try:
        found = np.asarray(test(own))
    except KeyError as error:
        name = str(error.args[0]) if error.args else ""
        remedy = "name in needs every feature that the test reads"
        raise InputError(
            f"reads '{name}', which is not in its needs", where=where, given=name, known=needs, remedy=remedy
        ) from None
    except Exception as error:
        raise InputError(f"its test fails: {type(error).__name__}", where=where) from error
    if found.shape != (count,) or found.dtype != bool:
        remedy = "compare whole columns: lambda c: c['age_years'] >= 18, with & and | instead of and, or"
        raise InputError("its test does not give one answer, true or false, a row", where=where, remedy=remedy)
    return found


def is_true(column: np.ndarray) -> np.ndarray:
    """Return where an indicator is known to hold: null counts as not."""
    return np.asarray(column > 0)
