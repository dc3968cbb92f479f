"""Jobs: scores or lists of many patients as a file, made in the background and taken up again after a restart.

A job is a folder under ``jobs/`` of the state folder: ``job.json`` is where it stands,
``rows.ndjson`` what is made so far. Whichever worker holds the folder's lock works on it; a worker that died lets go.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from features import instants
from serving.access import Principal
from serving.job_schemas import JobRequest
from serving.journal import log, where
from serving.problem import Problem
from serving.product import PRODUCTS, Answers, Product
from serving.scores import highest
from serving.sheet import Format, measured, table, write

if TYPE_CHECKING:
    from serving.desk import Desk

FOLDER, ROWS = "jobs", "rows.ndjson"
HOURS = 24
"""How long a finished file is kept."""
HOUR = 3_600_000_000
_PAUSE_S = 0.2
_BLOCK = 5_000


class Jobs:
    """The jobs of one state folder, as one worker sees them.

    Parameters
    ----------
    desk
        Whose thread makes them, a chunk at a time, between the questions of others.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self._folder = desk, desk.home / FOLDER
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._called = asyncio.Event()

    def add(self, principal: Principal, asked: JobRequest) -> dict[str, Any]:
        """Put a job on the list and return where it stands."""
        now = self._desk.clock.now()
        who = {"name": principal.name, "role": principal.role, "department": principal.department}
        job: dict[str, Any] = {
            "job_id": uuid.uuid4().hex,
            "kind": asked.kind,
            "status": "queued",
            "created_at": instants.iso(now),
            "as_of": instants.iso(now),
            "patients": None,
            "done": 0,
            "counts": {"scored": 0, "refused": {}},
            "files": [],
            "expires_at": None,
            "error": None,
        }
        place = self._folder / job["job_id"]
        place.mkdir(mode=0o700)
        inner = {"scopes": sorted(principal.scopes), "purposes": sorted(principal.purposes)}
        private = {"who": who | inner, "asked": asked.model_dump(), "at": now, "size": 0, "begun": time.time()}
        _keep(place, job | {"private": private})
        return job

    def call(self) -> None:
        """Have this worker look at the list now."""
        self._called.set()

    def job(self, principal: Principal, job_id: str) -> dict[str, Any]:
        """Return where a job stands.

        Raises
        ------
        Problem
            404 where the principal has no such job.
        """
        found = _read(self._folder / job_id) if job_id.isalnum() else None
        if found is None or found["private"]["who"]["name"] != principal.name:
            raise Problem(404, "no such job", code="unknown_job", field="id")
        if _over(found, self._desk.clock.now()):
            found |= {"status": "expired", "files": []}
        return {name: value for name, value in found.items() if name != "private"}

    def file(self, principal: Principal, job_id: str, name: str) -> Path:
        """Return a finished file.

        Raises
        ------
        Problem
            404 where there is none, or it has expired.
        """
        if name not in {each["name"] for each in self.job(principal, job_id)["files"]}:
            raise Problem(404, "no such file; it may have expired", code="unknown_file", field="name")
        return self._folder / job_id / name

    async def work(self) -> None:
        """Work on whatever is queued or was left by a worker that died, for as long as the worker lives."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), self._desk.settings.look_seconds)
            self._called.clear()
            for place in sorted(self._folder.iterdir(), key=lambda each: each.stat().st_mtime):
                with _held(place) as mine:
                    job = _read(place) if mine else None
                    if job is not None and job["status"] in ("queued", "running") and not self._desk.faults:
                        await self._run(place, job)
                    elif job is not None and job["status"] in ("done", "failed", "expired"):
                        _expire(place, job, self._desk.clock.now())

    async def _run(self, place: Path, job: dict[str, Any]) -> None:
        try:
            await self._make(place, job)
        except asyncio.CancelledError:
            raise
        except Exception as fault:
            log().error("job failed", code=job["job_id"], **where(fault))
            code = fault.code if isinstance(fault, Problem) else "unavailable"
            job["private"]["asked"]["patient_ids"] = None
            (place / ROWS).unlink(missing_ok=True)
            _keep(place, job | {"status": "failed", "error": code})

    async def _make(self, place: Path, job: dict[str, Any]) -> None:
        private = job["private"]
        asked = JobRequest.model_construct(**private["asked"])
        product, named = PRODUCTS[asked.kind], self._desk.keys.named(private["who"]["name"])
        if named is None or asked.purpose not in named.purposes or not named.may(asked.kind):
            raise Problem(403, "the key is no longer valid", code="forbidden")
        patients = await self._desk.run(_cohort, self._desk, asked)
        job |= {"status": "running", "patients": len(patients)}
        _keep(place, job)
        made, size = place / ROWS, max(1, int(self._desk.settings.chunk * product.share))
        made.touch(mode=0o600)
        os.truncate(made, min(private["size"], made.stat().st_size))
        while job["done"] < len(patients):
            some = patients[job["done"] : job["done"] + size]
            answers = await self._chunk(product, named, asked, some, private["at"])
            with made.open("ab") as out:
                for row in product.rows(self._desk, answers, private["at"]):
                    out.write(orjson.dumps(row) + b"\n")
                out.flush()
                os.fsync(out.fileno())
                private["size"] = out.tell()
            _count(job, [code for answer in answers for code in product.outcomes(answer)])
            job["done"] += len(some)
            _keep(place, job)
            await asyncio.sleep(0)
        kind: Format = asked.format
        file = place / f"{product.stem}.{kind}"
        parts = _parts(made, product.schema, {stone.patient_id for stone in self._desk.ledger.keys.tombstones()})
        if asked.top is not None:
            parts = iter([highest(pa.concat_tables(parts), asked.top)])
        await asyncio.to_thread(write, parts, product.schema, file, kind)
        made.unlink()
        told: dict[str, Any] = {"name": file.name, "url": f"/v1/jobs/{job['job_id']}/files/{file.name}", "format": kind}
        told |= await asyncio.to_thread(measured, file, kind)
        private |= {"ended": time.time(), "asked": {**private["asked"], "patient_ids": None}}
        ends = instants.iso(self._desk.clock.now() + HOURS * HOUR)
        _keep(place, job | {"status": "done", "files": [told], "expires_at": ends})

    async def _chunk(
        self, product: Product, principal: Principal, asked: JobRequest, ids: list[str], at: int
    ) -> Answers:
        """Ask about some patients; wait where the service is busy or cannot record."""
        while True:
            try:
                return await self._desk.run(product.ask, self._desk, principal, asked, ids, at)
            except Problem as problem:
                if problem.status not in (429, 503):
                    raise
                await asyncio.sleep(_PAUSE_S)


def _cohort(desk: Desk, asked: JobRequest) -> list[str]:
    if asked.cohort == "patient_ids":
        return list(asked.patient_ids or ())
    if asked.cohort == "all":
        return list(desk.store.patients())
    since = asked.changed_since or 0
    return [patient for patient in desk.store.patients() if _last(desk, patient) > since]


def _last(desk: Desk, patient_id: str) -> int:
    """Return when something last became known of a patient, UTC microseconds."""
    tables = desk.store.tables(patient_id).values()
    known = [pc.max(found["known_at"]).value for found in tables if "known_at" in found.column_names]
    return max((each for each in known if each is not None), default=0)


def _count(job: dict[str, Any], codes: list[str | None]) -> None:
    """Add what was refused, by code, and what was not."""
    refused = Counter(job["counts"]["refused"]) + Counter(code for code in codes if code)
    job["counts"] = {"scored": job["counts"]["scored"] + codes.count(None), "refused": dict(sorted(refused.items()))}


def _parts(file: Path, schema: pa.Schema, sealed: Set[str]) -> Iterator[pa.Table]:
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
    """Let jobs forget a patient: ids that wait to be scored, and what is said of files whose rows were taken out.

    A job under way is left to its worker: at its end it drops the rows of whoever was sealed meanwhile.
    """
    for place in (home / FOLDER).glob("*/"):
        with _held(place) as mine:
            job = _read(place) if mine else None
            if job is None:
                continue
            ids = job["private"]["asked"].get("patient_ids") or ()
            job["private"]["asked"]["patient_ids"] = ["" if each == patient_id else each for each in ids] or None
            for each in job["files"]:
                each |= measured(place / each["name"], each["format"])
            _keep(place, job)


def _over(job: dict[str, Any], now: int) -> bool:
    """Say whether a finished job's files have expired, by the service's clock or by the time that really passed."""
    if job["status"] != "done":
        return False
    return now >= instants.parse(job["expires_at"]) or time.time() >= job["private"]["ended"] + HOURS * 3600


def _expire(place: Path, job: dict[str, Any], now: int) -> None:
    if _over(job, now):
        for each in job["files"]:
            (place / each["name"]).unlink(missing_ok=True)
        _keep(place, job | {"status": "expired", "files": []})
    elif job["private"]["begun"] < time.time() - 30 * 86_400:
        shutil.rmtree(place)


def _read(place: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = orjson.loads((place / "job.json").read_bytes())
    except OSError:
        return None
    return found


def _keep(place: Path, job: dict[str, Any]) -> None:
    fresh = place / "job.json.new"
    with fresh.open("wb") as out:
        out.write(orjson.dumps(job))
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(place / "job.json")


@contextlib.contextmanager
def _held(place: Path) -> Iterator[bool]:
    """Hold a job's folder; False where another worker does."""
    opened = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(opened)
