"""Lists over HTTP while the ranker is renewed, replaced and taken back: none fails, none is lost, none is mixed."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.lake import Lake
from serving import approvals, production
from serving.ledger import Ledger
from tests.service.conftest import NOW, Hospital, Running, affinity, build, put_forward, scorer_of, start, stop
from tests.service.databases import Database
from tests.service.inside import Inside, made, served
from training.affinity.readers import readership
from training.affinity.state import to_files
from training.affinity.values import affinity_values
from training.tasks import task as task_named

pytestmark = pytest.mark.slow
TASK = "content_affinity"
CALLERS, MOST, SECONDS = 4, 4000, 90.0


def _proposed(hospital: Hospital, work: Path, version: str, *, seed: int = 3, renewed: bool = False) -> Path:
    """Save another version and its proposal: ranker and state, or the same ranker over the items of a later instant."""
    lake = Lake(work / "lake")
    scorer, beside = affinity(lake, seed)
    if renewed:
        given, values = readership(lake, affinity_values()), affinity_values()
        beside |= to_files(given.stage(NOW, values), given.items)
    digest = scorer.save(work / f"affinity-{version}", {}, beside)
    told = {"task": TASK, "version": version, "digest": digest, "author": "scientist"}
    file = work / f"affinity-{version}.json"
    put_forward(file, {**told, "artefact": str(work / f"affinity-{version}")})
    return file


class Load:
    """Callers who ask for lists without pause until they are told to stop, or have asked often or long enough."""

    def __init__(self, running: Running) -> None:
        self._running, self._ends = running, time.monotonic() + SECONDS
        self._enough, self._lock = threading.Event(), threading.Lock()
        self.answers: list[httpx.Response] = []

    def ask(self, number: int) -> None:
        with self._running.client() as client:
            for turn in itertools.count(number):
                if self._enough.is_set() or len(self.answers) >= MOST or time.monotonic() > self._ends:
                    return
                body = {"patient_id": f"ok-{1 + turn % 3}", "k": 5, "channel": "app", "purpose": "health_education"}
                answer = client.post("/v1/recommend", json=body)
                with self._lock:
                    self.answers.append(answer)

    def until(self, version: str, more: int = 20) -> None:
        """Wait until so many answers are of a version, all of them after this call."""
        before = len(self.answers)
        while sum(f'"version":"{version}"' in each.text for each in self.answers[before:]) < more:
            assert time.monotonic() < self._ends and len(self.answers) < MOST, f"version {version} was not seen"
            time.sleep(0.02)

    def stop(self) -> None:
        self._enough.set()


def test_the_ranker_is_swapped_and_taken_back_without_a_failed_list(tmp_path: Path) -> None:
    hospital, work = build(tmp_path / "home", tmp_path / "work"), tmp_path / "work"
    renewed = _proposed(hospital, work, "2", renewed=True)
    replaced = _proposed(hospital, work, "3", seed=8)
    running = start(hospital, tmp_path / "output.txt")

    def acted(act: Callable[[Ledger], Any]) -> None:
        ledger = Ledger(hospital.home / "ledger.db")
        act(ledger)
        ledger.close()

    load = Load(running)
    try:
        with ThreadPoolExecutor(CALLERS) as callers:
            asking = [callers.submit(load.ask, number) for number in range(CALLERS)]
            try:
                load.until("1")
                for version, proposal in (("2", renewed), ("3", replaced)):
                    acted(lambda ledger, file=proposal: approvals.approve(file, hospital.home, ledger, "compliance"))
                    load.until(version)
                acted(lambda ledger: production.rollback(ledger, hospital.home, TASK, "compliance"))
                load.until("2")
            finally:
                load.stop()
            for each in asking:
                each.result(30)
        with running.client("compliance") as client:
            served = client.get(f"/v1/models/{TASK}").json()
    finally:
        stop(running)
    assert {answer.status_code for answer in load.answers} == {200}, running.log()[-2000:]
    lists = {told["list_id"]: told for told in (answer.json() for answer in load.answers)}
    assert len(lists) == len(load.answers)
    assert all(len(told["items"]) == 5 and "refused" not in told for told in lists.values())
    ledger = Ledger(hospital.home / "ledger.db")
    entries = list(ledger.entries("list"))
    ledger.close()
    assert {entry.id for entry in entries} == lists.keys()
    for entry in entries:
        told = lists[entry.id]
        assert (entry.header["model"], entry.receipt.as_dict()) == (told["model"], told["receipt"])
    terms = [version for version, _ in itertools.groupby(entry.header["model"]["version"] for entry in entries)]
    assert terms == ["1", "2", "3", "2"]  # in the order recorded: after a swap none is of the one before
    assert len({entry.header["model"]["digest"] for entry in entries}) == 3
    assert served["version"] == "2"


def _front(inside: Inside) -> tuple[int, int]:
    """Ask for a list; return up to where its popularity was read, and up to where the store had come."""
    body = {"patient_id": "ok-1", "k": 5, "channel": "app", "purpose": "health_education"}
    told = inside.client.post("/v1/recommend", json=body, headers=inside.as_("outreach")).json()
    entry = inside.desk.ledger.entry("list", told["list_id"])
    assert entry is not None
    return entry.payload["popularity"]["upto"], entry.header["store_seq"]


def _read(inside: Inside, number: int) -> None:
    event = {"table": "interactions", "patient_id": "ok-3", "event_id": f"read-{number}", "content_id": "c2"}
    event |= {"time": "2025-06-30T06:00:00+08:00", "channel": "app", "action": "view"}
    answer = inside.client.post("/v1/events", json={"events": [event]}, headers=inside.as_("outreach"))
    assert answer.json()["counts"] == {"stored": 1}, answer.text


def _approve(inside: Inside, proposal: Path) -> None:
    approvals.approve(proposal, inside.hospital.home, inside.desk.ledger, "compliance", "dr-li")
    inside.client.portal.call(inside.desk.look)  # type: ignore[union-attr]


def test_a_new_ranker_has_read_before_it_answers_and_keeps_it_while_others_change(
    database: Database, tmp_path: Path
) -> None:
    """No list waits until the events of all are read again, neither after its own swap nor after another task's."""
    hospital = made(tmp_path)
    proposal = _proposed(hospital, tmp_path / "work", "2", seed=8)
    with served(hospital) as inside:
        first, _ = _front(inside)
        _read(inside, 1)
        _approve(inside, proposal)
        _read(inside, 2)
        read, store = _front(inside)
        assert first < read < store
        digest = scorer_of(task_named("churn_90d"), rows=700).save(tmp_path / "churn", {})
        told = {"task": "churn_90d", "version": "2", "digest": digest, "author": "scientist"}
        put_forward(tmp_path / "churn.json", {**told, "artefact": str(tmp_path / "churn")})
        before = inside.desk.models
        _approve(inside, tmp_path / "churn.json")
        assert inside.desk.models is not before and inside.desk.models.recommender is before.recommender
        assert _front(inside) == (read, store)
