"""Jobs: scores or lists of many patients as a file, made in the background and taken up again after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from features import instants
from serving import job_folder as folder
from serving.access import Principal
from serving.job_folder import FOLDER, HOURS, ROWS
from serving.job_schemas import JobRequest
from serving.journal import log, where
from serving.problem import Problem
from serving.product import PRODUCTS, Portion, Product
from serving.scores import highest
from serving.sheet import Format, measured, write

if TYPE_CHECKING:
    from serving.desk import Desk

HOUR = 3_600_000_000
_PAUSE_S = 0.2
_PASSING = ("too_many_requests", "unavailable", "not_ready", "no_ledger")
"""Codes of what a job waits for; any other ends it."""


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
        told = asked.model_dump(exclude={"patient_ids"})
        private = {"who": who | inner, "asked": told, "at": now, "size": 0, "begun": time.time()}
        if asked.patient_ids is not None:
            folder.draw(place, list(asked.patient_ids))
        folder.keep(place, job | {"private": private})
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
        found = folder.read(self._folder / job_id) if job_id.isalnum() else None
        if found is None or found["private"]["who"]["name"] != principal.name:
            raise Problem(404, "no such job", code="unknown_job", field="id")
        if folder.over(found, self._desk.clock.now()):
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
                with folder.held(place) as mine:
                    job = folder.read(place) if mine else None
                    if job is not None and job["status"] in ("queued", "running") and not self._desk.faults:
                        await self._run(place, job)
                    elif job is not None and job["status"] in ("done", "failed", "expired"):
                        folder.expire(place, job, self._desk.clock.now())

    async def _run(self, place: Path, job: dict[str, Any]) -> None:
        try:
            await self._make(place, job)
        except asyncio.CancelledError:
            raise
        except Exception as fault:
            log().error("job failed", code=job["job_id"], **where(fault))
            code = fault.code if isinstance(fault, Problem) else "unavailable"
            folder.keep(place, job | {"status": "failed", "error": code})
        folder.cleared(place)

    async def _make(self, place: Path, job: dict[str, Any]) -> None:
        private = job["private"]
        asked = JobRequest.model_construct(**private["asked"])
        product, named = PRODUCTS[asked.kind], self._desk.keys.named(private["who"]["name"])
        if named is None or asked.purpose not in named.purposes or not named.may(asked.kind):
            raise Problem(403, "the key is no longer valid", code="forbidden")
        patients = folder.patients(place)
        if patients is None:
            patients = folder.draw(place, await self._desk.run(_cohort, self._desk, asked))
        job |= {"status": "running", "patients": len(patients)}
        folder.keep(place, job)
        chunk = self._desk.settings.chunk
        made, size = place / ROWS, min(chunk, product.most or chunk)
        made.touch(mode=0o600)
        os.truncate(made, min(private["size"], made.stat().st_size))
        while job["done"] < len(patients):
            some = patients[job["done"] : job["done"] + size]
            portion = await self._portion(product, named, asked, some, private["at"])
            with made.open("ab") as out:
                for row in portion.rows:
                    out.write(orjson.dumps(row) + b"\n")
                out.flush()
                os.fsync(out.fileno())
                private["size"] = out.tell()
            _count(job, portion.codes)
            job["done"] += len(some)
            folder.keep(place, job)
            await asyncio.sleep(0)
        await self._finish(place, job, product, asked)

    async def _finish(self, place: Path, job: dict[str, Any], product: Product, asked: JobRequest) -> None:
        """Write the file; once more where a patient was sealed meanwhile."""
        kind: Format = asked.format
        file = place / f"{product.stem}.{kind}"
        told: dict[str, Any] = {"name": file.name, "url": f"/v1/jobs/{job['job_id']}/files/{file.name}", "format": kind}
        written = None
        while written != (sealed := self._sealed()):
            parts = folder.parts(place / ROWS, product.schema, sealed)
            if asked.top is not None:
                parts = iter([highest(pa.concat_tables(parts), asked.top)])
            await asyncio.to_thread(write, parts, product.schema, file, kind)
            told |= await asyncio.to_thread(measured, file, kind)
            job["private"] |= {"ended": time.time()}
            ends = instants.iso(self._desk.clock.now() + HOURS * HOUR)
            folder.keep(place, job | {"status": "done", "files": [told], "expires_at": ends})
            written = sealed

    def _sealed(self) -> frozenset[str]:
        return frozenset(stone.patient_id for stone in self._desk.ledger.keys.tombstones())

    async def _portion(
        self, product: Product, principal: Principal, asked: JobRequest, ids: list[str], at: int
    ) -> Portion:
        """Ask about some patients; wait where the service is busy or cannot record.

        Raises
        ------
        Problem
            The key is frozen, over its quota, or the task cannot be answered.
        """

        def ask() -> Future[Portion]:
            if self._desk.watchman.frozen(principal.name) is not None:
                raise Problem(403, "the key is frozen", code="frozen")
            return product.ask(self._desk, principal, asked, ids, at)

        while True:
            try:
                return await self._desk.run(ask)
            except Problem as problem:
                if problem.code not in _PASSING:
                    raise
                await asyncio.sleep(_PAUSE_S)


def _cohort(desk: Desk, asked: JobRequest) -> list[str]:
    if asked.patient_ids is not None:
        return list(asked.patient_ids)
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
