"""Questionnaire: what a self-test asks, as a schema, a check and a row of model inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from features.errors import InputError


@dataclass(frozen=True)
class Question:
    """One question.

    Parameters
    ----------
    kind
        ``number``; ``flag`` (true or false); ``choice`` (the place of the answer in ``choices``,
        from 0, is its value).
    lo, hi
        Least and greatest number that is taken.
    required
        Whether a test can go without the answer (the model then knows that it is missing).
    """

    name: str
    zh: str
    en: str
    kind: Literal["number", "flag", "choice"]
    unit: str = ""
    lo: float = 0.0
    hi: float = 1.0
    choices: tuple[tuple[str, str, str], ...] = ()
    required: bool = False

    def schema(self) -> dict[str, Any]:
        """Return the question as JSON Schema, with the titles in both languages and the unit."""
        about: dict[str, Any] = {"title": self.en, "x-title-zh": self.zh}
        if self.unit:
            about["x-unit"] = self.unit
        if self.kind == "flag":
            return about | {"type": "boolean"}
        if self.kind == "choice":
            titles = {"x-titles": {key: {"zh": zh, "en": en} for key, zh, en in self.choices}}
            return about | {"type": "string", "enum": [key for key, _, _ in self.choices]} | titles
        return about | {"type": "number", "minimum": self.lo, "maximum": self.hi}

    def value(self, answer: Any) -> float:
        """Return an answer as a number, NaN where there is none.

        Raises
        ------
        InputError
            Another type, or outside the range; the answer itself is not repeated.
        """
        if answer is None:
            return float("nan")
        if self.kind == "flag":
            if not isinstance(answer, bool):
                raise InputError("is true or false", where=self.name)
            return float(answer)
        if self.kind == "choice":
            keys = [key for key, _, _ in self.choices]
            if not isinstance(answer, str) or answer not in keys:
                raise InputError("is none of the choices", where=self.name, known=keys)
            return float(keys.index(answer))
        if isinstance(answer, bool) or not isinstance(answer, int | float) or not self.lo <= answer <= self.hi:
            raise InputError(f"is a number from {self.lo:g} to {self.hi:g}", where=self.name)
        return float(answer)


@dataclass(frozen=True)
class Input:
    """One model input made of the answers.

    ``of`` is the question whose value it is; ``bmi`` is made of height_cm and weight_kg.
    """

    name: str
    zh: str
    en: str
    unit: str
    clinical_group: str
    of: str = ""
    actionable: bool = False
    protected: bool = False


@dataclass(frozen=True)
class Questionnaire:
    """The questions, and the model inputs made of them."""

    questions: tuple[Question, ...]
    inputs: tuple[Input, ...]

    def schema(self) -> dict[str, Any]:
        """Return JSON Schema (2020-12) of an object of answers."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "additionalProperties": False,
            "properties": {question.name: question.schema() for question in self.questions},
            "required": [question.name for question in self.questions if question.required],
        }

    def values(self, answers: Mapping[str, Any]) -> dict[str, float]:
        """Return every question's value and every input's, by name, NaN where not answered.

        Raises
        ------
        InputError
            A question that does not exist, a required one not answered, an answer out of range.
        """
        names = tuple(question.name for question in self.questions)
        for given in answers:
            if given not in names:
                raise InputError(f"no question '{given}'", where="answers", given=given, known=names)
        for question in self.questions:
            if question.required and answers.get(question.name) is None:
                raise InputError("must be answered", where=question.name)
        found = {question.name: question.value(answers.get(question.name)) for question in self.questions}
        return found | {each.name: self._input(each, found) for each in self.inputs}

    def vector(self, answers: Mapping[str, Any]) -> np.ndarray:
        """Return the (1, inputs) row that the model reads."""
        found = self.values(answers)
        return np.array([[found[each.name] for each in self.inputs]])

    def _input(self, each: Input, found: Mapping[str, float]) -> float:
        if each.name == "bmi":
            return found["weight_kg"] / (found["height_cm"] / 100) ** 2
        return found[each.of or each.name]
