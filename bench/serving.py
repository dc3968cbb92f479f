"""What an answer costs: the service against what people install today.

Every contender is a server of its own with one worker and one thread; requests go one after the other
over one connection, contenders take turns round by round, and what is measured is the processor time
of the whole tree of processes of a server, user and system, per request: medians over the rounds.
The models are the same: a LightGBM model of ``--trees`` trees with ``--leaves`` leaves per task.

Ours begin with a patient's stored events; MLflow and plain BentoML are handed a ready vector.
Ends with an error where a ratio misses its floor.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import contextlib
import http.client
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import psutil

from bench.hospital import CLOCK, PURPOSE, TASKS, Hospital, Sizes, standing
from features.progress import track

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    ("bare", "mlflow"): 6.0,
    ("bare", "plain"): 8.0,
    ("full", "mlflow"): 4.0,
    ("bare six", "contrib six"): 4.0,
    ("framework", "empty"): 1 / 0.3,
}
"""(ours, peer): the peer's cost over ours, at least."""


@dataclass
class Server:
    """One server under measure; ``said`` is its log."""

    process: subprocess.Popen[bytes]
    port: int
    said: Path

    def cpu(self) -> float:
        """Return the CPU seconds of the process and all that it started."""
        top = psutil.Process(self.process.pid)
        total = 0.0
        for each in (top, *top.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                total += times.user + times.system
        return total

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


@dataclass(frozen=True)
class Contender:
    """One kind of request to one server."""

    name: str
    server: Server
    path: str
    bodies: list[bytes]
    headers: dict[str, str]

    def spent(self, requests: int, begin: int) -> float:
        """Send requests one after the other and return CPU seconds per request."""
        connection, before = self.server.connection(), self.server.cpu()
        for number in range(begin, begin + requests):
            ask(connection, self, self.bodies[number % len(self.bodies)])
        connection.close()
        return (self.server.cpu() - before) / requests


def ask(connection: http.client.HTTPConnection, contender: Contender, body: bytes) -> bytes:
    """Return the answer to one request, which must be a 200."""
    connection.request("POST", contender.path, body, {"Content-Type": "application/json", **contender.headers})
    answer = connection.getresponse()
    found = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{contender.name}: {answer.status} {found[:300]!r}")
    return found


@contextlib.contextmanager
def started(arguments: list[str], probe: str, said: Path, **environment: str) -> Iterator[Server]:
    """Run a Python server until the block ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = int(taken.getsockname()[1])
    command = [sys.executable, *(each.replace("PORT", str(port)) for each in arguments)]
    with said.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=out,
            cwd=ROOT,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment},
            start_new_session=True,
        )
    server = Server(process, port, said)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise RuntimeError(said.read_text(errors="replace")[-2000:])
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = server.connection()
                connection.request("GET", probe)
                if connection.getresponse().status == 200:
                    break
            time.sleep(0.2)
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def contenders(hospital: Hospital, stack: contextlib.ExitStack) -> list[Contender]:
    """Start every server and return what is asked of each."""
    from bench.peers import pyfunc

    home, work = hospital.home, hospital.work
    names, row, patients = asked_about(hospital)
    booster = work / "booster.txt"
    shutil.copy(next((work / "models" / TASKS[0]).glob("model.txt")), booster)
    model = work / "pyfunc"
    shutil.rmtree(model, ignore_errors=True)
    pyfunc.save(model, booster)

    def serve(name: str, arguments: list[str], probe: str = "/livez", **environment: str) -> Server:
        quiet = {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"}
        said = work / f"{name}.log"
        return stack.enter_context(started(arguments, probe, said, **quiet, **environment))

    def bento(service: str) -> list[str]:
        return ["-m", "bentoml", "serve", service, "--working-dir", str(ROOT), "--port", "PORT"]

    own = {"CAREPATH_HOME": str(home), "CAREPATH_CLOCK": CLOCK}
    ours = ["-m", "serving", "serve", "--home", str(home), "--clock", CLOCK, "--port", "PORT"]
    full = serve("full", ours, "/readyz")
    bare = serve("bare", bento("bench.bare:Bare"), "/readyz", **own)
    plain = serve("plain", bento("bench.peers.plain:Plain"), "/readyz", BENCH_BOOSTER=str(booster))
    empty = serve("empty", bento("bench.peers.plain:Empty"), "/readyz")
    mlflow = serve("mlflow", pyfunc.command(model), "/ping")
    key = {"X-API-Key": hospital.keys["outreach"]}

    def about(tasks: tuple[str, ...]) -> list[bytes]:
        return [orjson.dumps({"patient_id": one, "tasks": tasks, "purpose": PURPOSE}) for one in patients]

    one, six = about(TASKS[:1]), about(TASKS)
    vector = orjson.dumps({"columns": names, "data": [row]})
    return [
        Contender("full", full, "/v1/score", one, key),
        Contender("full six", full, "/v1/score", six, key),
        Contender("bare", bare, "/bench/score", one, key),
        Contender("bare six", bare, "/bench/score", six, key),
        Contender("framework", bare, "/bench/empty", one, key),
        Contender("contrib six", bare, "/bench/contrib", six, key),
        Contender("mlflow", mlflow, "/invocations", [pyfunc.body(names, row)], {}),
        Contender("plain", plain, "/score", [vector], {}),
        Contender("empty", empty, "/empty", [orjson.dumps({"patient_id": patients[0]})], {}),
    ]


def asked_about(hospital: Hospital) -> tuple[list[str], list[float | None], list[str]]:
    """Return the first model's inputs, one ready vector, and the patients for whom all six tasks answer."""
    from features import instants
    from features.store import EventStore
    from serving import production
    from serving.ledger import Ledger
    from serving.models import Models

    ledger = Ledger(hospital.home / "ledger.db")
    models = Models.approved(hospital.home, production.standing(ledger))
    ledger.close()
    store, at = EventStore(hospital.home / "events.db"), instants.parse(CLOCK)
    found, vectors = [], []
    for patient in store.patients():
        tables = store.tables(patient)
        row = models.vector(tables, patient, at)
        fits = all(
            bool(criterion.keep(models.columns(row, served.task.cohort.needs))[0])
            for served in models.scored.values()
            for criterion in served.task.cohort.criteria
        )
        if fits and "consents" in tables and PURPOSE in tables["consents"]["purpose"].to_pylist():
            found.append(patient)
            vectors.append(models.inputs(row, TASKS[0]))
    store.close()
    row = [None if np.isnan(value) else float(value) for value in vectors[0]]
    return list(models.scored[TASKS[0]].scorer.spec.names), row, found


def main() -> int:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--patients", type=int, default=Sizes.patients)
    told.add_argument("--years", type=float, default=Sizes.years)
    told.add_argument("--trees", type=int, default=Sizes.trees)
    told.add_argument("--leaves", type=int, default=Sizes.leaves)
    told.add_argument("--requests", type=int, default=200, help="of one contender in one round")
    told.add_argument("--rounds", type=int, default=5)
    told.add_argument("--work", type=Path, help="keep the hospital here and use it again")
    asked = told.parse_args()
    work = asked.work or Path(tempfile.mkdtemp(prefix="carepath-bench-"))
    sizes = Sizes(asked.patients, asked.years, asked.trees, asked.leaves)
    hospital = standing(work, sizes)
    with contextlib.ExitStack() as stack:
        every = contenders(hospital, stack)
        costs = measured(every, asked.rounds, asked.requests)
    if asked.work is None:
        shutil.rmtree(work)
    return report(costs)


def measured(every: list[Contender], rounds: int, requests: int) -> dict[str, list[float]]:
    """Return contender -> CPU seconds per request, of each round."""
    for each in every:
        each.spent(requests, 0)
    costs: dict[str, list[float]] = {each.name: [] for each in every}
    for number in track(range(rounds), "rounds"):
        for each in every:
            costs[each.name].append(each.spent(requests, number * requests))
    return costs


def report(costs: dict[str, list[float]]) -> int:
    """Print what each costs and each ratio; 1 where a floor is missed."""
    for name, found in costs.items():
        print(f"{name:12} {np.median(found) * 1e3:8.3f} ms ({min(found) * 1e3:.3f} to {max(found) * 1e3:.3f})")
    failed = False
    for (ours, peer), floor in FLOORS.items():
        ratio = np.median(np.array(costs[peer]) / np.array(costs[ours]))
        print(f"{peer} / {ours}: {ratio:.1f}x, floor {floor:.1f}x")
        failed |= bool(ratio < floor)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
