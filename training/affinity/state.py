"""The state of the items as files of an artefact: arrays in one .npz without pickles, words in one JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from features.errors import InputError
from training.affinity.catalogue import Catalogue
from training.affinity.item import Item
from training.affinity.stage import Segments, Stage

if TYPE_CHECKING:
    from scipy.sparse import csr_array

ARRAYS, WORDS = "stage.npz", "stage.json"
_PLAIN = ("born", "last", "origin", "popular", "readers", "worth", "reach")
_SPARSE = ("ease", "near", "text")


def to_files(stage: Stage, items: Sequence[Item]) -> dict[str, str | bytes]:
    """Write a stage. No patient stands in it: who first touched an item is a number without a name."""
    arrays: dict[str, np.ndarray] = {name: getattr(stage, name) for name in _PLAIN}
    sparse = {name: getattr(stage, name) for name in _SPARSE}
    sparse |= {f"followed_{number}": each for number, each in enumerate(stage.followed)}
    for name, each in sparse.items():
        arrays[f"{name}.data"] = each.data.astype(np.float64)
        arrays[f"{name}.indices"], arrays[f"{name}.indptr"] = each.indices, each.indptr
    arrays |= {"s.items": stage.segments.items, "s.topics": stage.segments.topics, "s.formats": stage.segments.formats}
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    told = {
        "at": stage.at,
        "half_lives": list(stage.half_lives),
        "conditions": list(stage.segments.conditions),
        "words": stage.text.shape[1],
        "items": [_said(item) for item in items],
    }
    return {ARRAYS: packed.getvalue(), WORDS: json.dumps(told, ensure_ascii=False)}


def from_files(arrays: bytes, words: str) -> tuple[Stage, tuple[Item, ...]]:
    """Read a stage and the items that it is about.

    Raises
    ------
    InputError
        The files do not hold a stage.
    """
    from scipy.sparse import csr_array

    try:
        told = json.loads(words)
        items = tuple(_heard(each) for each in told["items"])
        count = len(items)
        with np.load(io.BytesIO(arrays), allow_pickle=False) as held:
            read = {name: held[name] for name in held.files}

        def sparse(name: str, width: int) -> csr_array:
            parts = read[f"{name}.data"], read[f"{name}.indices"], read[f"{name}.indptr"]
            return csr_array(parts, shape=(count, width))

        followed = sorted(name.split(".")[0] for name in read if name.startswith("followed_") and name.endswith("data"))
        stage = Stage(
            at=told["at"],
            catalogue=Catalogue.of(items),
            half_lives=tuple(told["half_lives"]),
            followed=tuple(sparse(name, count) for name in followed),
            segments=Segments(tuple(told["conditions"]), read["s.items"], read["s.topics"], read["s.formats"]),
            ease=sparse("ease", count),
            near=sparse("near", count),
            text=sparse("text", told["words"]),
            **{name: read[name] for name in _PLAIN},
        )
    except (KeyError, ValueError, TypeError, OSError):
        raise InputError("does not hold the state of the items", where=ARRAYS, remedy="train again") from None
    return stage, items


def _said(item: Item) -> dict[str, Any]:
    found = {field.name: getattr(item, field.name) for field in fields(Item)}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in found.items()
        if value not in (None, "", frozenset())
    }


def _heard(told: Mapping[str, Any]) -> Item:
    read: dict[str, Any] = {n: frozenset(v) if isinstance(v, list) else v for n, v in told.items()}
    return Item(**read)
