"""Where a service keeps its patients' events: one SQLite file in the state folder, or PostgreSQL by URL."""

from __future__ import annotations

import os
from pathlib import Path

from features.store import EventStore

EVENTS = "CAREPATH_EVENTS"
"""Names a PostgreSQL database for the events; else they are in ``events.db``."""


def event_store(home: Path) -> EventStore:
    """Open the events of a state folder: in the database that CAREPATH_EVENTS names, else in its file."""
    return EventStore(os.environ.get(EVENTS) or home / "events.db")
