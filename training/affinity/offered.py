"""Offered: a lake's catalogue on display, with popularity brought from a version's items to an instant."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from features.errors import InputError
from features.lake import Lake
from training.affinity.display import Display
from training.affinity.item import items
from training.affinity.readers import worth
from training.affinity.recommender import Recommender
from training.affinity.touches import Touch
from training.followup import final
from training.records import instants

_COLUMNS = (
    "patient_id",
    "event_id",
    "version",
    "void",
    "time",
    "known_at",
    "content_id",
    "action",
    "completed",
    "rating",
)


def offered(recommender: Recommender, lake: Lake, at: int) -> Display:
    """Return what a lake's ``contents`` offers at an instant, not before the one of the recommender's items.

    Raises
    ------
    InputError
        The lake has no items: nothing is known to be reviewed.
    """
    catalogue = {item.content_id: item for item in items(lake.read("contents"))}
    if not catalogue:
        remedy = "ingest the catalogue: what nobody reviewed is shown to nobody"
        raise InputError("it has no items in 'contents'", where=f"lake {lake.path.name}", remedy=remedy)
    return recommender.display(tuple(catalogue.values()), at, tuple(_since(lake, recommender, at)))


def _since(lake: Lake, recommender: Recommender, at: int) -> Iterator[Touch]:
    """Yield everybody's touches from the instant of the recommender's items on, as known at the other."""
    parts = []
    for file in lake.files.get("interactions", ()) if at > recommender.stage.at else ():
        for rows in lake.batches("interactions", file, _COLUMNS):
            time = instants(rows["time"])
            new = (time >= recommender.stage.at) & (time < at) & (instants(rows["known_at"]) <= at)
            parts.append(rows.filter(pc.and_(pa.array(new), pc.is_valid(rows["content_id"]))))
    if not parts:
        return
    rows = final(pa.concat_tables(parts, promote_options="permissive"))
    told = rows["content_id"].to_pylist(), instants(rows["time"]).tolist(), rows["patient_id"].to_pylist()
    for content_id, time, reader, weight in zip(*told, worth(rows, recommender.values).tolist(), strict=True):
        yield Touch(content_id, time, reader, weight)
