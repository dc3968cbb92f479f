"""How long an answer takes: p50 and p99 at rising concurrency and numbers of workers, memory, cold start.

Callers are threads of this process, each on a connection of its own; they share the machine with the
service, so on two cores the figures at 16 and 64 are those of a busy machine.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import orjson
import psutil

from bench.hospital import CLOCK, PURPOSE, TASKS, Hospital, Sizes, standing
from bench.serving import Contender, Server, ask, asked_about, started


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__)
    told.add_argument("--patients", type=int, default=Sizes.patients)
    told.add_argument("--requests", type=int, default=1_000, help="at each concurrency")
    told.add_argument("--concurrency", type=int, nargs="+", default=[1, 16, 64])
    told.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    told.add_argument("--work", type=Path, help="keep the hospital here and use it again")
    asked = told.parse_args()
    with tempfile.TemporaryDirectory(prefix="carepath-bench-") as work:
        hospital = standing(asked.work or Path(work), Sizes(patients=asked.patients))
        _, _, patients = asked_about(hospital)
        bodies = [orjson.dumps({"patient_id": one, "tasks": TASKS[:1], "purpose": PURPOSE}) for one in patients]
        for workers in asked.workers:
            measure(hospital, bodies, workers, asked.concurrency, asked.requests)


def measure(hospital: Hospital, bodies: list[bytes], workers: int, concurrency: list[int], requests: int) -> None:
    """Start the service with so many workers and print its figures."""
    command = ["-m", "serving", "serve", "--home", str(hospital.home), "--clock", CLOCK, "--port", "PORT"]
    begun = time.perf_counter()
    with started([*command, "--workers", str(workers)], "/readyz", hospital.work / "latency.log") as server:
        print(f"{workers} workers: ready after {time.perf_counter() - begun:.1f} s")
        one = Contender("score", server, "/v1/score", bodies, {"X-API-Key": hospital.keys["outreach"]})
        spent(one, 4, 4 * len(bodies))
        for callers in concurrency:
            begun = time.perf_counter()
            times = spent(one, callers, requests)
            rate = len(times) / (time.perf_counter() - begun)
            p50, p99 = np.percentile(times, [50, 99]) * 1e3
            print(f"  {callers:3} at once: p50 {p50:.1f} ms, p99 {p99:.1f} ms, {rate:.0f} a second")
        print(f"  memory: {', '.join(f'{size:.0f} MB' for size in memory(server))}")


def spent(contender: Contender, callers: int, requests: int) -> list[float]:
    """Return the seconds of each request, of all callers together."""
    times: list[float] = []

    def call(first: int) -> None:
        connection = contender.server.connection()
        for number in range(first, requests, callers):
            begun = time.perf_counter()
            ask(connection, contender, contender.bodies[number % len(contender.bodies)])
            times.append(time.perf_counter() - begun)
        connection.close()

    threads = [threading.Thread(target=call, args=(first,)) for first in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times


def memory(server: Server) -> list[float]:
    """Return the unique memory of each process of the service, MB, the greatest first."""
    top = psutil.Process(server.process.pid)
    found = []
    for each in (top, *top.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(each.memory_full_info().uss / 2**20)
    return sorted(found, reverse=True)


if __name__ == "__main__":
    sys.exit(main())
