"""The service's log: JSON lines with a closed list of fields, so that no patient can appear in it."""

from __future__ import annotations

import functools
import logging
import sys
import traceback
from typing import Any

import orjson
import structlog

FIELDS = frozenset(
    {"event", "level", "timestamp", "request_id", "decision_id", "route", "method", "status", "code", "ms"}
    | {"principal", "task", "model", "digest", "fault", "at", "part", "entries", "patients", "port"}
)


def _allowed(_logger: Any, _name: str, line: structlog.types.EventDict) -> structlog.types.EventDict:
    return {name: value for name, value in line.items() if name in FIELDS}


def open_journal(level: int = logging.INFO) -> None:
    """Send our lines from a level on to standard error as JSON; fields off the list are dropped."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _allowed,
            structlog.processors.JSONRenderer(orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    log.cache_clear()


@functools.cache
def log() -> Any:
    """Return the logger."""
    return structlog.get_logger()


def where(error: BaseException) -> dict[str, str]:
    """Name a fault by its type and place only: its text may hold what a caller sent."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    return {"fault": type(error).__name__, "at": f"{last.name}:{last.lineno}" if last else ""}
