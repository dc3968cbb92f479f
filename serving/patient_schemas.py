"""Shapes of the routes about patients, identities, contents and changes; the rest stands in schemas.py."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from serving.changes import Kind


class Query(BaseModel):
    """Base of what stands behind the question mark: texts, so numbers are read from them."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ChangesQuery(Query):
    """From where to read, and how long to wait for the first change."""

    after: Annotated[int, Field(ge=0, le=2**62, description="cursor of the last change read; 0 from the first")] = 0
    wait: Annotated[float, Field(ge=0, le=60, description="seconds to hold the call open")] = 0.0


class Change(BaseModel):
    """One change: what, when, of whom. Ask again for the patient before sending anything queued earlier."""

    cursor: str
    kind: Kind
    at: str
    patient_id: str | None = None
    merged_from: str | None = None
    purpose: str | None = None
    task: str | None = None
    version: str | None = None
    digest: str | None = None
    content_id: str | None = None
