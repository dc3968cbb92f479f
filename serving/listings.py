"""Listings: lists of content as rows, one an item, in the order of slots; a list without items is one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from features import instants
from serving.sheet import INSTANT, REASONS, reasons

SCHEMA = pa.schema(
    [
        ("list_id", pa.string()),
        ("patient_id", pa.string()),
        ("at", INSTANT),
        ("slot", pa.int64()),
        ("content_id", pa.string()),
        ("affinity", pa.float64()),
        ("propensity", pa.float64()),
        ("sampled", pa.list_(pa.string())),
        ("refused", pa.string()),
        ("model_version", pa.string()),
        ("model_digest", pa.string()),
        *((name, pa.string()) for name in REASONS),
    ]
)
"""``at`` is when the list was made, ``list_id`` its name on record, ``sampled`` what its slot was drawn from."""


def rows(answers: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of some answers, as ``/v1/recommend`` gives them."""
    for answer in answers:
        model = answer["model"] or {}
        told = {
            "list_id": answer["list_id"],
            "patient_id": answer["patient_id"],
            "at": instants.parse(answer["as_of"]),
            "refused": answer["refused"]["code"] if answer.get("refused") else None,
            "model_version": model.get("version"),
            "model_digest": model.get("digest"),
        }
        for item in answer["items"]:
            shown = {name: item[name] for name in ("slot", "content_id", "affinity", "propensity", "sampled")}
            yield told | shown | reasons(item["reasons"])
        if not answer["items"]:
            yield told
