"""Kill -9 at random moments under load: every answered decision is on record, none twice; it starts again by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from serving.ledger import Ledger
from serving.verify import verify
from tests.service.conftest import Hospital, Running, build, start, stop
from tests.service.databases import Database

ASKED = {"tasks": ["churn_90d"], "purpose": "care_followup"}
KILLS = {"sqlite": (8, 2), "postgres": (2, 1)}
"""Where events and ledger lie -> kills of the worker, kills of the whole service."""
pytestmark = pytest.mark.slow


class Load:
    """Asks without pause, whatever happens to the service, and notes the decisions that were answered."""

    def __init__(self) -> None:
        self.url, self.headers = "", {}
        self.answered: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def begin(self, running: Running) -> None:
        self.url, self.headers = running.url, running.hospital.headers("outreach")
        if not self._thread.is_alive():
            self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def wait(self, more: int) -> None:
        """Wait until so many more were answered."""
        until, wanted = time.monotonic() + 150, len(self.answered) + more
        while len(self.answered) < wanted:
            assert time.monotonic() < until, "the service does not answer again"
            time.sleep(0.02)

    def _ask(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            body = {**ASKED, "patient_id": f"ok-{1 + number % 3}"}
            try:
                answer = httpx.post(f"{self.url}/v1/score", json=body, headers=self.headers, timeout=10)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code == 200:
                self.answered += [each["decision_id"] for each in answer.json()["decisions"]]


def _workers(running: Running) -> list[psutil.Process]:
    """Return the processes that answer: those that hold the key store open; there is one at least."""
    tree = psutil.Process(running.process.pid).children(recursive=True)
    found = [each for each in tree if any(file.path.endswith("keystore.db") for file in each.open_files())]
    assert found
    return found


def test_what_was_answered_is_on_record(database: Database, tmp_path: Path) -> None:
    worker_kills, service_kills = KILLS["postgres" if database.postgres else "sqlite"]
    hospital: Hospital = build(tmp_path / "home", tmp_path / "work")
    rng, load = np.random.default_rng(int(time.time())), Load()
    running = start(hospital, tmp_path / "output.txt")
    load.begin(running)
    try:
        for _ in range(worker_kills):
            load.wait(3)
            time.sleep(float(rng.random()) * 0.3)
            for worker in _workers(running):
                worker.send_signal(signal.SIGKILL)
        for _ in range(service_kills):
            load.wait(3)
            time.sleep(float(rng.random()) * 0.3)
            workers = _workers(running)
            os.killpg(running.process.pid, signal.SIGKILL)
            for worker in workers:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.kill()
            running.process.wait(5)
            running = start(hospital, tmp_path / "output.txt")
            load.begin(running)
        load.wait(5)
    finally:
        load.end()
        stop(running)
    ledger = Ledger(hospital.home / "ledger.db")
    recorded = [entry.id for entry in ledger.entries("decision")]
    assert set(load.answered) <= set(recorded)
    assert len(set(recorded)) == len(recorded) and len(set(load.answered)) == len(load.answered)
    assert not verify(ledger, []).faults
    ledger.close()
