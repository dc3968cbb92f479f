"""What a list of content costs: one request at two sizes, against the ranker over every item, its reasons, a batch.

``python -m bench.recommend [--items 50000] [--small 2000] [--requests 30] [--patients 2000] [--batch-items 2000]``

Process CPU on one thread, the contenders interleaved, medians. "Every item" is the same list without a choice of
candidates: all that the person may see is ranked, by our kernel and by LightGBM's own prediction. The catalogue, the
readers and the trees are made up (200 trees of 31 leaves over the real columns); nothing depends on what they learnt.
The batch streams patients one after another, so that its memory does not grow with their number; beside it implicit's
own batch (iALS, 64 factors) over the same touches, which neither filters nor explains.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

import argparse
import functools
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import lightgbm
import numpy as np
import pyarrow as pa

from features.instants import DAY
from tests.training.toys import NOW, catalogue, readership, recommender, trees
from training.affinity.display import Display
from training.affinity.lists import ASKED, lists
from training.affinity.person import Person
from training.affinity.recommender import Recommender
from training.affinity.safety import Reader

READ, ROUNDS = 30, 200
PEERS = 20_000
"""Patients that implicit answers: its rate does not change with more, its matrix grows."""


def main() -> None:
    """Measure and print."""
    read = argparse.ArgumentParser(description="cost of a list of content")
    for name, size in (
        ("items", 50_000),
        ("small", 2_000),
        ("requests", 30),
        ("patients", 2_000),
        ("batch-items", 2_000),
    ):
        read.add_argument(f"--{name}", type=int, default=size)
    given = read.parse_args()
    large, small = _world(given.items), _world(given.small)
    for number in range(given.requests):
        _reading(given.items, number), _reading(given.small, number)
    peer = lightgbm.Booster(model_str=trees(ROUNDS)[1])
    cost = _interleaved(
        {
            "list": lambda n: _ask(*large, n, False),
            "list and reasons": lambda n: _ask(*large, n, True),
            "list, small": lambda n: _ask(*small, n, False),
        },
        given.requests,
    )
    every = _every(large[0])
    theirs = replace(every, order=lambda x: peer.predict(x, raw_score=True, num_threads=1))
    whole = {
        "every item": lambda n: _ask(every, large[1], n, False),
        "every, LightGBM": lambda n: _ask(theirs, large[1], n, False),
    }
    cost |= _interleaved(whole, max(3, given.requests // 10))
    for name, seconds in cost.items():
        print(f"{name:18}{1000 * seconds:10.2f} ms of CPU")
    alone = cost["list"]
    times = ", by ".join(
        f"{how} {cost[name] / alone:.0f} x"
        for how, name in (("our kernel", "every item"), ("LightGBM", "every, LightGBM"))
    )
    print(f"the ranker over every one of {given.items:,} items, by {times} a list (floor 20)")
    print(f"a list with its reasons costs {cost['list and reasons'] / alone:.2f} x the list (at most 4)")
    print(f"from {given.small:,} to {given.items:,} items {alone / cost['list, small']:.2f} x (at most 5)")
    _batch(given.patients, given.batch_items)


def _world(count: int) -> tuple[Recommender, Display]:
    items = catalogue(count)
    made = recommender(readership(items, 20_000, 200_000), rounds=ROUNDS)
    return made, made.display(items, NOW)


@functools.cache
def _reading(count: int, number: int) -> tuple[list[tuple[str, int]], Reader]:
    """Return what a patient read, of so many items, and what the filters know of the patient: given with a request."""
    rng = np.random.default_rng(number)
    places, times = rng.integers(0, count, READ), NOW - rng.integers(1, 60 * DAY, READ)
    history = [(f"c{place:06d}", int(time)) for place, time in zip(places, times, strict=True)]
    return history, Reader(float(rng.integers(20, 90)), frozenset({"diabetes"}))


def _person(display: Display, number: int) -> tuple[Person, Reader]:
    history, reader = _reading(len(display.items), number)
    return display.person(history, NOW, reader.age, reader.conditions), reader


def _asked(items: int, start: int, count: int) -> pa.RecordBatch:
    """Return some patients as `lists` takes them, each with READ touches."""
    rng = np.random.default_rng(start)
    return pa.RecordBatch.from_pylist(
        [
            {
                "patient_id": f"p{start + number:07d}",
                "content_ids": [f"c{place:06d}" for place in rng.integers(0, items, READ)],
                "times": (NOW - rng.integers(1, 60 * DAY, READ)).tolist(),
                "age": float(rng.integers(20, 90)),
                "conditions": ["diabetes"],
            }
            for number in range(count)
        ],
        schema=ASKED,
    )


def _ask(made: Recommender, display: Display, number: int, explain: bool) -> None:
    person, reader = _person(display, number)
    made.recommend(display, person, reader, NOW, 10, number, explain=explain)


def _every(made: Recommender) -> Recommender:
    """Return the same without a choice of candidates: everything that the person may see is ranked."""
    quotas = made.values.quotas.model_copy(update={"least": sys.maxsize})
    return replace(made, values=made.values.model_copy(update={"quotas": quotas}))


def _interleaved(work: dict[str, Callable[[int], None]], times: int) -> dict[str, float]:
    for each in work.values():
        each(0)
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(times):
        for name, each in work.items():
            begun = time.process_time()
            each(number)
            taken[name].append(time.process_time() - begun)
    return {name: float(np.median(each)) for name, each in taken.items()}


def _batch(patients: int, items: int) -> None:
    from implicit.als import AlternatingLeastSquares  # type: ignore[import-untyped]

    made, display = _world(items)
    begun = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    asked = (_asked(items, start, min(READ, patients - start)) for start in range(0, patients, READ))
    shown = sum(batch.num_rows for batch in lists(made, display, asked, NOW, 10))
    seconds = time.process_time() - begun
    assert shown == 10 * patients
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"batch: {patients:,} patients x {items:,} items, {patients / seconds:,.0f} patients/s, {grown:.0f} MB more")
    few = min(patients, PEERS)
    given = readership(catalogue(items), few, READ * few)
    touches = given.touches
    from scipy.sparse import csr_matrix

    owned = csr_matrix(
        (np.ones(len(touches.user), np.float32), (touches.user, touches.item)),
        shape=(len(touches.users), len(touches.items)),
    )
    peer = AlternatingLeastSquares(factors=64, iterations=5, num_threads=1, random_state=0)
    begun = time.process_time()
    peer.fit(owned, show_progress=False)
    fitted = time.process_time()
    peer.recommend(np.arange(owned.shape[0]), owned, N=10)
    done = time.process_time()
    rate = owned.shape[0] / (done - fitted)
    print(
        f"implicit: {rate:,.0f} patients/s (and {fitted - begun:.1f} s to fit), without filters, reasons or freshness"
    )


if __name__ == "__main__":
    main()
