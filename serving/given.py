"""Given: all that a list is made from, the same for an answer and for its replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from serving.front import Fronted
from serving.models import Models
from serving.question import Question
from serving.settings import Serving
from training.affinity.item import Item
from training.affinity.recalled import Recalled


@dataclass(frozen=True)
class Given:
    """What is asked for, and what was read for it.

    Parameters
    ----------
    k
        How many items are asked for.
    upto, tables
        Number of the last event read, and the patient's events up to it.
    sealed
        Whether the patient is.
    items, contents_seq
        The catalogue, and the number of its last change.
    models, fronted, seed
        For a personal list: the model, what is on display (asked for only where nothing refuses the list), and
        the seed of the exploring slot.
    recalled
        What a record kept, where popularity cannot be made again.
    epoch
        That of the patient's consents from before they were read; None where nothing is to be recorded.
    """

    question: Question
    k: int
    channel: str
    personalised: bool
    rules: Serving
    upto: int
    tables: Mapping[str, pa.Table]
    sealed: bool
    items: tuple[Item, ...]
    contents_seq: int
    models: Models | None = None
    fronted: Callable[[], Fronted] | None = None
    seed: int = 0
    recalled: Recalled | None = None
    epoch: int | None = None
