"""What /metrics shows: counts and durations by route and task, never by patient."""

from __future__ import annotations

import functools
import os

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess

_OWN = CollectorRegistry()
REQUESTS = Counter("carepath_requests", "Requests answered.", ("route", "method", "status"), registry=_OWN)
SECONDS = Histogram(
    "carepath_request_seconds",
    "Time from the first byte in to the answer out.",
    ("route",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0),
    registry=_OWN,
)
DECISIONS = Counter("carepath_decisions", "Decisions recorded.", ("task", "outcome"), registry=_OWN)
FAULTS = Counter("carepath_explanation_faults", "Scores withheld: sum and margin differ.", ("task",), registry=_OWN)
EVENTS = Counter("carepath_events", "Events delivered.", ("result",), registry=_OWN)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def answered(route: str, method: str, status: int, seconds: float) -> None:
    """Count a request that was answered, and how long it took."""
    requests, duration = _of(route, method, status)
    requests.inc()
    duration.observe(seconds)


@functools.cache
def _of(route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(route, method, status), SECONDS.labels(route)


@functools.cache
def decisions(task: str, outcome: str) -> Counter:
    """Return what counts the decisions of a task that ended so."""
    return DECISIONS.labels(task, outcome)


def exposition() -> bytes:
    """Return the metrics of all workers as Prometheus text."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return bytes(generate_latest(_OWN))
    whole = CollectorRegistry()
    multiprocess.MultiProcessCollector(whole)
    return bytes(generate_latest(whole))
