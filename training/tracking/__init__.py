"""MLflow: the only package that knows it. Runs, figures, artefacts, registered versions, aliases."""

from __future__ import annotations

from training.tracking.aliases import challenge, champion, crown, moved
from training.tracking.run import NO_ARTEFACT, SET, Run, Source, Trial
from training.tracking.store import Version, fetch, latest, prepare, record, uri, version

__all__ = [
    "NO_ARTEFACT",
    "SET",
    "Run",
    "Source",
    "Trial",
    "Version",
    "challenge",
    "champion",
    "crown",
    "fetch",
    "latest",
    "moved",
    "prepare",
    "record",
    "uri",
    "version",
]
