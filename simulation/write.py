"""A whole hospital: chunks of patients to Parquet, in bounded memory."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from features.errors import InputError
from simulation.chunk import Chunk, chunk
from simulation.consent import consents
from simulation.content import Catalogue, catalogue
from simulation.diagnoses import diagnoses
from simulation.encounters import encounters
from simulation.grid import LOCAL, grid
from simulation.medicines import care_plans, prescriptions
from simulation.observations import observations
from simulation.online import online
from simulation.outreach import contacts, feedback, pushed
from simulation.register import family_history, observed, patients, status_changes
from simulation.setting import Setting
from simulation.sheet import sheet
from simulation.tastes import tastes
from simulation.truth import truth

CHUNK = 5_000  # patients at once: some 600 MB at the peak, for a hospital of any size


def hospital(
    out: Path | str,
    patients: int = 20_000,
    years: float = 3,
    seed: int = 7,
    end: date | None = None,
    setting: Setting | None = None,
) -> Path:
    """Write a sample hospital and return the folder of its lake.

    Parameters
    ----------
    out
        Folder for ``lake/<table>/part-*.parquet`` and ``truth/*.parquet``; a hospital written
        there before is replaced.
    patients
        Number of patients.
    years
        Years of records.
    seed
        The same seed, size, dates and setting give the same rows.
    end
        Last day of the records (Asia/Shanghai); default: yesterday, so that all is known now.
    setting
        Constants of the mechanism.

    Raises
    ------
    InputError
        Fewer than one patient, years out of range, or ``out`` holds something else.
    """
    if patients < 1:
        raise InputError(f"{patients} patients", where="simulation", remedy="give at least 1")
    calendar = grid(years, end or datetime.now(LOCAL).date() - timedelta(days=1))
    setting = setting or Setting()
    root = Path(out)
    lake, aside = root / "lake", root / "truth"
    for folder in (lake, aside):
        _clear(folder)
    items = catalogue(seed, calendar)
    _write(lake / "contents" / "part-00000.parquet", items.table)
    sizes = [min(CHUNK, patients - first) for first in range(0, patients, CHUNK)]
    writers: dict[str, pq.ParquetWriter] = {}
    for number in _watched(len(sizes), "hospital"):
        part = chunk(number, number * CHUNK, sizes[number], seed, calendar, setting)
        taste = tastes(part)
        for name, table in _records(part, items).items():
            _write(lake / name / f"part-{number:05d}.parquet", table)
        for name, table in truth(part, taste).items():
            if name not in writers:
                writers[name] = pq.ParquetWriter(aside / f"{name}.parquet", table.schema)
            writers[name].write_table(table)
    for writer in writers.values():
        writer.close()
    return lake


def _records(part: Chunk, items: Catalogue) -> dict[str, pa.Table]:
    """All canonical tables of a chunk but the catalogue of contents."""
    seen, taste, sent = sheet(part), tastes(part), pushed(part)
    interactions, impressions = online(part, items, taste, sent)
    return {
        "patients": patients(part),
        "family_history": family_history(part),
        "encounters": encounters(part, seen),
        "diagnoses": diagnoses(part, seen),
        "observations": observations(part, seen),
        "prescriptions": prescriptions(part, seen),
        "care_plans": care_plans(part),
        "status_changes": status_changes(part),
        "interactions": interactions,
        "impressions": impressions,
        "feedback": feedback(part, seen),
        "contacts": contacts(part, seen, sent),
        "consents": consents(part),
        "observed": observed(part),
    }


def _clear(folder: Path) -> None:
    """Make the folder empty; refuse to empty one that does not hold Parquet alone."""
    if folder.exists():
        strange = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
        if strange:
            raise InputError(
                f"the folder holds {strange[0].name}, which is no part of a sample hospital",
                where=str(folder),
                remedy="name another folder, or empty this one",
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, compression="zstd")


def _watched(count: int, label: str) -> Iterator[int]:
    """Count up with a bar on standard error where a person watches."""
    if not sys.stderr.isatty():
        yield from range(count)
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(range(count), description=label, console=Console(stderr=True), transient=True)
