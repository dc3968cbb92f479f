"""Section ``models`` of params.yaml."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from features.params import Values, section


class LightGbmValues(Values):
    """Settings of the boosted trees; names as in LightGBM's own documentation."""

    num_leaves: int = Field(ge=2, le=512)
    learning_rate: float = Field(gt=0, le=1)
    min_data_in_leaf: int = Field(ge=1)
    lambda_l2: float = Field(ge=0)
    feature_fraction: float = Field(gt=0, le=1)
    bagging_fraction: float = Field(gt=0, le=1)
    rounds: int = Field(ge=1)
    patience: int = Field(ge=1)
    validation: float = Field(gt=0, lt=0.5)
    monotone_penalty: float = Field(ge=0)


class LogisticValues(Values):
    """Settings of the logistic regression: how many core features are splined, penalties tried."""

    splined: int = Field(ge=0)
    knots: tuple[float, ...]
    penalties: tuple[float, ...]
    folds: int = Field(ge=2)


class ModelValues(Values):
    """Settings that every candidate shares, and each one's own."""

    seed: int = Field(ge=0)
    clip: tuple[float, float]
    bands: tuple[float, float, float]
    folds: int = Field(ge=2)
    lightgbm: LightGbmValues
    logistic: LogisticValues

    @field_validator("clip", "bands")
    @classmethod
    def _rising(cls, ends: tuple[float, ...]) -> tuple[float, ...]:
        if list(ends) != sorted(set(ends)):
            raise ValueError("the ends do not rise")
        return ends

    def logged(self) -> dict[str, Any]:
        """Return the settings by name, as a run logs them."""
        own = {"lightgbm": self.lightgbm, "logistic": self.logistic}
        found = {f"{kind}.{name}": value for kind, each in own.items() for name, value in each.model_dump().items()}
        return found | {"seed": self.seed}

    def splining(self, count: int | None) -> ModelValues:
        """Return the same with so many splined features of the logistic regression; None leaves it as it is."""
        if count is None:
            return self
        return self.model_copy(update={"logistic": self.logistic.model_copy(update={"splined": count})})


def model_values(overrides: tuple[str, ...] = ()) -> ModelValues:
    return section("models", ModelValues, overrides)
