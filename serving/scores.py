"""Scores as rows: the columns of a table of decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from features.instants import DAY
from features.params import section
from serving.sheet import INSTANT, REASONS, reasons
from training.split import SplitValues

SCHEMA = pa.schema(
    [
        ("decision_id", pa.string()),
        ("patient_id", pa.string()),
        ("at", INSTANT),
        ("task", pa.string()),
        ("horizon_days", pa.int64()),
        ("probability", pa.float64()),
        ("band", pa.string()),
        ("refused", pa.string()),
        ("model_version", pa.string()),
        ("model_digest", pa.string()),
        ("vector_spec", pa.string()),
        ("label_due_at", INSTANT),
        *((name, pa.string()) for name in REASONS),
    ]
)
"""``at`` the landmark; ``label_due_at`` when the time at risk is over and its reports are in; reasons by code."""


def rows(answers: Iterable[Mapping[str, Any]], specs: Mapping[str, str], at: int) -> Iterator[dict[str, Any]]:
    """Yield one row for each decision of some answers.

    Parameters
    ----------
    answers
        As ``/v1/score`` gives them.
    specs
        Task -> digest of the vector that its model reads.
    at
        The landmark, UTC microseconds.
    """
    lag = section("split", SplitValues).reporting_lag_days
    for answer in answers:
        for decision in answer["decisions"]:
            model = decision["model"]
            yield {
                "decision_id": decision["decision_id"],
                "patient_id": answer["patient_id"],
                "at": at,
                "task": decision["task"],
                "horizon_days": decision["horizon_days"],
                "probability": decision["probability"],
                "band": decision["band"],
                "refused": decision["refused"]["code"] if decision.get("refused") else None,
                "model_version": model["version"],
                "model_digest": model["digest"],
                "vector_spec": specs[decision["task"]],
                "label_due_at": at + (decision["horizon_days"] + lag) * DAY,
                **reasons(decision["reasons"]),
            }


def highest(whole: pa.Table, top: int) -> pa.Table:
    """Return the scored rows of each task with the ``top`` highest probabilities, highest first."""
    kept = [
        part.sort_by([("probability", "descending"), ("patient_id", "ascending")]).slice(0, top)
        for task in whole["task"].unique().to_pylist()
        for part in [whole.filter((pc.field("task") == task) & pc.field("probability").is_valid())]
    ]
    return pa.concat_tables(kept) if kept else whole.slice(0, 0)
