"""What computes the vectors of a lake: this process, or the same kernel under Spark."""

from __future__ import annotations

from enum import StrEnum


class Engine(StrEnum):
    """What computes the vectors of a lake."""

    local = "local"
    spark = "spark"
