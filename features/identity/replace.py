"""A lake whose patients are a hospital's own ids, written anew with surrogates in their place."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.errors import InputError
from features.identity.person import Person
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
        Whose ids the lake holds. An id that the vault does not know becomes a person of its own.

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
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    for name in track(lake.tables(), "replace"):
        for number, file in enumerate(lake.files[name]):
            place = fresh / name / f"part-{number:05d}.parquet"
            place.parent.mkdir(parents=True, exist_ok=True)
            _copy(file, place, surrogates)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.exists():
        out.rmdir()
    fresh.rename(out)
    return len(surrogates), len(set(surrogates.values()))


def _surrogates(lake: Lake, vault: Vault, system: str) -> dict[str, str]:
    ids = {str(each) for name in lake.tables() for file in lake.files[name] for each in _ids(file)}
    missing = sorted(each for each in ids if vault.resolve(system, each).patient_id is None)
    if missing:
        vault.learn(Person(system, each.strip()) for each in missing)
    return {each: vault.resolve(system, each).patient_id or "" for each in ids}


def _ids(file: Path) -> set[str]:
    found: set[str] = set()
    for column in _named(file):
        for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=[column]):
            found |= set(pc.unique(batch.column(0).cast(pa.string())).to_pylist())
    return found - {None}


def _named(file: Path) -> list[str]:
    names: list[str] = pq.read_schema(file).names
    return [name for name in ("patient_id", "patient") if name in names]


def _copy(file: Path, place: Path, surrogates: dict[str, str]) -> None:
    own, writer = _named(file), None
    for batch in pq.ParquetFile(file).iter_batches(_ROWS):
        rows = pa.Table.from_batches([batch])
        for name in own:
            ids = rows[name].cast(pa.string()).to_pylist()
            given = pa.array([None if each is None else surrogates[each] for each in ids], pa.string())
            rows = rows.set_column(rows.column_names.index(name), name, given)
        writer = writer or pq.ParquetWriter(place, rows.schema)
        writer.write_table(rows)
    if writer is None:
        pq.write_table(pq.read_table(file), place)
    else:
        writer.close()
