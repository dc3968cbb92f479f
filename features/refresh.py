"""Bring vectors up to date: what changed in the lake is computed anew, all else is copied.

A vector rests on the rows of one patient. So for every file of a lake it is kept which patients it
holds; a file that came, went or changed concerns its patients, before and after, and nobody else. Of
``contents`` every item's row is kept apart: one that came, went or changed concerns who touched the item.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.build import computed, keep, landmarks_of, written
from features.canonical import digests
from features.kept import Kept, cache
from features.lake import Lake
from features.made import CONTENT, JOINED
from features.plan import Plan


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did: landmarks computed anew and not, and the features that are null for all."""

    computed: int
    copied: int
    empty: list[str]


def refresh(
    lake: Lake, plan: Plan, patients: np.ndarray, at: np.ndarray, file: Path, told: Mapping[str, str] | None = None
) -> Refreshed:
    """Write the vectors of some landmarks, taking from the file what the lake's changes leave as it is.

    Parameters
    ----------
    patients, at
        (n,) ids as strings, and UTC microseconds: the landmarks wanted now.
    file
        The vectors as they were; where there are none, or of other features, all are computed.
    told
        What the file says of itself besides.
    """
    kept = Kept(lake, plan.spec, patients, at)
    stale = np.zeros(len(at), dtype=bool)
    if not kept.whole:
        stale = _stale(lake, plan, patients, at, file)
        if stale.mean() > 0.5:
            stale[:] = True
            keep(kept, lake, plan, patients, at)
        else:
            _joined(kept, lake, plan, patients, at, file, stale)
    empty = written(kept.chunks(), plan.spec, patients, at, file, {**(told or {}), "lake": lake.digest})
    record(lake)
    return Refreshed(int(stale.sum()), int((~stale).sum()), empty)


def record(lake: Lake) -> None:
    """Keep which patients every file of the lake holds, so that a later refresh can tell who is concerned."""
    file = _record(lake.digest)
    if file.is_file():
        return
    parts = []
    for name, sha in lake.manifest.items():
        ids = pc.unique(lake.patients_of(name))
        parts.append(_held(pa.array([f"{sha} {name}"] * len(ids), pa.string()), ids))
    if "contents" in lake.files:
        items = lake.read("contents", CONTENT)
        names = [f"{digest} {_ITEMS}" for digest in digests(items).to_pylist()]
        parts.append(_held(pa.array(names, pa.string()), items["content_id"].cast(pa.string())))
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".fresh")
    pq.write_table(pa.concat_tables(parts).unify_dictionaries() if parts else _NOBODY, fresh)
    fresh.replace(file)


def told_of(file: Path) -> dict[str, str]:
    """Return what a file of vectors says of itself: spec, lake, landmarks and groups asked."""
    metadata = pq.read_schema(file).metadata or {}
    return {key.decode(): value.decode() for key, value in metadata.items()}


def landmarks_in(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the landmarks of a file of vectors."""
    return landmarks_of(pd.read_parquet(file, columns=["patient_id", "at"]))


def _held(files: pa.Array, ids: pa.ChunkedArray) -> pa.Table:
    return pa.table({"file": files.dictionary_encode(), "patient_id": ids})


_ITEMS = "contents/item"
"""Stands for the file of an item's row, whose ``patient_id`` is the item."""
_NOBODY = pa.table({"file": pa.array([], pa.string()).dictionary_encode(), "patient_id": pa.array([], pa.string())})


def _stale(lake: Lake, plan: Plan, patients: np.ndarray, at: np.ndarray, file: Path) -> np.ndarray:
    """Return the (n,) landmarks that must be computed."""
    stale = np.ones(len(at), dtype=bool)
    if not file.is_file():
        return stale
    told = told_of(file)
    changed = _changed(lake, plan, told.get("lake", ""))
    if told.get("vector_spec") != plan.spec.digest or changed is None:
        return stale
    old = pd.MultiIndex.from_arrays(landmarks_in(file))
    return np.asarray(pd.Index(patients).isin(changed)) | ~pd.MultiIndex.from_arrays([patients, at]).isin(old)


def _changed(lake: Lake, plan: Plan, before: str) -> set[str] | None:
    """Return the patients whose rows may have changed since; None where nobody can tell."""
    file = _record(before)
    if not file.is_file():
        return None
    record(lake)
    was, now = pq.read_table(file), pq.read_table(_record(lake.digest))
    held = [set(each["file"].unique().to_pylist()) for each in (was, now)]
    if len({any(_table(name) == "observed" for name in each) for each in held}) > 1:
        return None
    differ = held[0] ^ held[1]

    def concerned(names: list[str]) -> set[str]:
        chosen = pa.array(sorted(names), pa.string())
        mine = (each.filter(pc.is_in(each["file"].cast(pa.string()), value_set=chosen)) for each in (was, now))
        return {name for each in mine for name in each["patient_id"].to_pylist()}

    read = {*plan.columns, "observed"}
    found = concerned([name for name in differ if _table(name) in read])
    if set(JOINED) & set(plan.columns.get("interactions", ())):
        changed = pa.array(sorted(concerned([name for name in differ if name.endswith(f" {_ITEMS}")])), pa.string())
        acts = lake.read("interactions", ("patient_id", "content_id"))
        touched = acts.filter(pc.is_in(acts["content_id"].cast(pa.string()), value_set=changed))
        found.update(touched["patient_id"].cast(pa.string()).to_pylist())
    return found


def _joined(
    kept: Kept, lake: Lake, plan: Plan, patients: np.ndarray, at: np.ndarray, file: Path, stale: np.ndarray
) -> None:
    """Fill the answer from the old file and the new lake."""
    wanted = pd.DataFrame({"patient_id": patients, "at": at, "row": np.arange(len(at))})[~stale]
    names = list(plan.spec.names)
    with kept.filling(1) as done, pq.ParquetFile(file) as old:
        if done:
            return
        for group in range(old.num_row_groups):
            rows = old.read_row_group(group)
            ids, instants = landmarks_of(rows.select(["patient_id", "at"]).to_pandas())
            held = pd.DataFrame({"patient_id": ids, "at": instants, "place": np.arange(len(ids))})
            found = held.drop_duplicates(["patient_id", "at"]).merge(wanted, on=["patient_id", "at"]).sort_values("row")
            values = np.column_stack([rows[name].to_numpy() for name in names]) if len(found) else np.empty((0, 0))
            kept.put(-1, found["row"].to_numpy(), values[found["place"].to_numpy()])
        rows_now = np.flatnonzero(stale)
        kept.put(0, rows_now, computed(lake, plan, patients[rows_now], at[rows_now]))


def _table(name: str) -> str:
    """Return the table of ``sha table/file.parquet``."""
    return name.partition(" ")[2].partition("/")[0]


def _record(digest: str) -> Path:
    return cache() / f"patients-{digest}.parquet"


def groups_of(told: Mapping[str, str]) -> tuple[str, ...]:
    """Return the groups that a file of vectors was built from, as they were given."""
    return tuple(json.loads(told.get("groups", '["catalogue"]')))
