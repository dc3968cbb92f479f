"""A lake whose patients are a hospital's own ids, written anew with surrogates in their place."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import InputError
from features.identity.person import Person
from features.identity.surrogates import renamed
from features.identity.vault import Vault
from features.lake import Lake
from features.progress import track

_ROWS = 200_000


def replace(lake: Lake, out: Path, vault: Vault, system: str) -> tuple[int, int]:
    """Write a lake with surrogates, table by table; the given one stays as it is.

    Parameters
    ----------
    out
        The new lake: a folder that is not there yet, or empty.
    system
        Whose ids the lake holds. An id that the vault does not know becomes a person of its own; the
        rows of one that was erased are left out.

    Returns
    -------
    tuple
        Ids that were found, and different surrogates that stand for them.

    Raises
    ------
    InputError
        ``out`` holds something already.
    """
    if out.exists() and any(out.iterdir()):
        raise InputError("is not empty", where=f"--out {out.name}", remedy="name a new folder")
    surrogates = _surrogates(lake, vault, system)

    def token(own: str) -> str:
        return hashlib.sha256(vault.token(system, own)).hexdigest()[:16]

    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    for name in track(lake.tables(), "replace"):
        for number, file in enumerate(lake.files[name]):
            place = fresh / name / f"part-{number:05d}.parquet"
            place.parent.mkdir(parents=True, exist_ok=True)
            _copy(file, place, surrogates, token)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        out.rmdir()
    fresh.rename(out)
    return len(surrogates), len(set(surrogates.values()) - {None})


def settle(lake: Lake, merges: Mapping[str, str]) -> int:
    """Write anew the files of a lake that hold surrogates of persons who proved to be others; return how many."""
    files = [file for each in lake.files.values() for file in each if merges and merges.keys() & _ids(file)]
    for file in files:
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        _copy(file, fresh, merges)
        fresh.replace(file)
    return len(files)


def _surrogates(lake: Lake, vault: Vault, system: str) -> dict[str, str | None]:
    """Return what stands for each id of a lake; None for that of an erased person."""
    ids = {str(each) for name in lake.tables() for file in lake.files[name] for each in _ids(file)}
    missing = sorted(each for each in ids if vault.resolve(system, each).patient_id is None)
    if missing:
        vault.learn(Person(system, each.strip()) for each in missing)
    return {each: vault.resolve(system, each).patient_id for each in ids}


def _ids(file: Path) -> set[str]:
    found: set[str] = set()
    for column in _named(file):
        for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=[column]):
            found |= set(pc.unique(batch.column(0).cast(pa.string())).to_pylist())
    return found - {None}


def _named(file: Path) -> list[str]:
    names: list[str] = pq.read_schema(file).names
    return [name for name in ("patient_id", "patient") if name in names]


def _copy(
    file: Path, place: Path, surrogates: Mapping[str, str | None], token: Callable[[str], str] | None = None
) -> None:
    """Copy a file with others in place of its patients; ``token`` says what stands for one in an event's name."""
    erased = pa.array([own for own, surrogate in surrogates.items() if surrogate is None], pa.string())
    own, writer = _named(file), None
    for batch in pq.ParquetFile(file).iter_batches(_ROWS):
        rows = pa.Table.from_batches([batch])
        for name in own if len(erased) else ():
            rows = rows.filter(pc.invert(pc.is_in(rows[name].cast(pa.string()), erased)))
        for name in own:
            ids = rows[name].cast(pa.string()).to_pylist()
            if token is not None and "event_id" in rows.column_names:
                events = rows["event_id"].cast(pa.string()).to_numpy(zero_copy_only=False).astype(object)
                told = renamed(events, np.array(ids, object), token)
                rows = rows.set_column(rows.column_names.index("event_id"), "event_id", pa.array(told, pa.string()))
            given = pa.array([None if each is None else surrogates.get(each, each) for each in ids], pa.string())
            rows = rows.set_column(rows.column_names.index(name), name, given)
        writer = writer or pq.ParquetWriter(place, rows.schema)
        writer.write_table(rows)
    if writer is None:
        pq.write_table(pq.read_table(file), place)
    else:
        writer.close()
