"""A job's folder: where the job stands, whom it asks about and what is made so far, on disk.

``job.json`` is where it stands, ``patients.json`` whom it asks about once they are drawn, ``rows.ndjson`` what is
made so far. Whichever worker holds the folder's lock works on it; a worker that died lets go.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from features import instants
from serving.sheet import measured, table

FOLDER, ROWS = "jobs", "rows.ndjson"
HOURS = 24
"""How long a finished file is kept."""
_JOB, _PATIENTS = "job.json", "patients.json"
_BLOCK = 5_000


def read(place: Path) -> dict[str, Any] | None:
    """Return where a job stands; None where there is none."""
    return _loaded(place / _JOB)


def keep(place: Path, job: dict[str, Any]) -> None:
    """Put down where a job stands, durably."""
    _written(place / _JOB, job)


def patients(place: Path) -> list[str] | None:
    """Return whom a job asks about, in order; None before they are drawn. An erased patient's id is empty."""
    return _loaded(place / _PATIENTS)


def draw(place: Path, ids: list[str]) -> list[str]:
    """Put down whom a job asks about: once, so that the places of those who are done stay what they are."""
    _written(place / _PATIENTS, ids)
    return ids


def cleared(place: Path) -> None:
    """Take away what an ended job no longer needs."""
    for name in (ROWS, _PATIENTS):
        (place / name).unlink(missing_ok=True)


def parts(file: Path, schema: pa.Schema, sealed: Set[str]) -> Iterator[pa.Table]:
    """Yield the rows of a file some at a time, but for what was made of patients who were sealed meanwhile."""
    held = []
    with file.open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            if row["patient_id"] not in sealed or row["refused"] == "sealed":
                held.append(row)
            if len(held) == _BLOCK:
                yield table(held, schema)
                held = []
    yield table(held, schema)


def amend(home: Path, patient_id: str) -> None:
    """Let jobs forget a patient: ids that wait to be asked about, and what is said of files whose rows were taken out.

    A job under way is left to its worker: at its end it drops the rows of whoever was sealed meanwhile.
    """
    for place in (home / FOLDER).glob("*/"):
        with held(place) as mine:
            job = read(place) if mine else None
            if job is None:
                continue
            ids = patients(place)
            if ids is not None and patient_id in ids:
                draw(place, ["" if each == patient_id else each for each in ids])
            for each in job["files"]:
                each |= measured(place / each["name"], each["format"])
            keep(place, job)


def over(job: dict[str, Any], now: int) -> bool:
    """Say whether a finished job's files have expired, by the service's clock or by the time that really passed."""
    if job["status"] != "done":
        return False
    return now >= instants.parse(job["expires_at"]) or time.time() >= job["private"]["ended"] + HOURS * 3600


def expire(place: Path, job: dict[str, Any], now: int) -> None:
    """Take away the files of an ended job once they are over, and the job a month later."""
    cleared(place)
    if over(job, now):
        for each in job["files"]:
            (place / each["name"]).unlink(missing_ok=True)
        keep(place, job | {"status": "expired", "files": []})
    elif job["private"]["begun"] < time.time() - 30 * 86_400:
        shutil.rmtree(place)


@contextlib.contextmanager
def held(place: Path) -> Iterator[bool]:
    """Hold a job's folder; False where another worker does."""
    opened = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(opened)


def _loaded(file: Path) -> Any:
    try:
        return orjson.loads(file.read_bytes())
    except OSError:
        return None


def _written(file: Path, told: Any) -> None:
    fresh = file.with_name(file.name + ".new")
    fresh.touch(mode=0o600)
    with fresh.open("wb") as out:
        out.write(orjson.dumps(told))
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
