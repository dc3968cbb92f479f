"""Shapes of /v1/jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from serving.schemas import AnyId, Instant, Purpose, Request, Tasks, distinct

MOST_IDS = 100_000
Ids = Annotated[list[AnyId], Field(min_length=1, max_length=MOST_IDS), AfterValidator(distinct)]


class JobRequest(Request):
    """A score of many patients as a file.

    ``cohort`` is ``all``, ``patient_ids`` (with that list beside it) or ``changed_since`` (with that
    instant beside it: patients of whom anything became known since).
    """

    kind: Literal["score"] = "score"
    tasks: Tasks
    purpose: Purpose
    cohort: Literal["all", "patient_ids", "changed_since"]
    patient_ids: Ids | None = None
    changed_since: Instant | None = None
    top: Annotated[int | None, Field(ge=1, description="only the highest of each task; all are on record")] = None
    format: Literal["ndjson", "csv", "parquet"] = "ndjson"
    exploratory: bool = False

    @model_validator(mode="after")
    def _given(self) -> JobRequest:
        for name in ("patient_ids", "changed_since"):
            given = getattr(self, name) is not None
            if given != (self.cohort == name):
                told = "needed with this cohort" if not given else "of another cohort"
                raise PydanticCustomError("cohort", "'{name}' is {told}", {"name": name, "told": told})
        return self


class JobFile(BaseModel):
    """One finished file."""

    name: str
    url: str
    format: Literal["ndjson", "csv", "parquet"]
    sha256: str
    rows: int
    bytes: int


class JobCounts(BaseModel):
    """Decisions so far."""

    scored: int
    refused: dict[str, int]


class JobAnswer(BaseModel):
    """Where a job stands; its files expire at ``expires_at``."""

    job_id: str
    kind: Literal["score"]
    status: Literal["queued", "running", "done", "failed", "expired"]
    created_at: str
    as_of: str
    patients: Annotated[int | None, Field(description="of the cohort; null until it is drawn")]
    done: int
    counts: JobCounts
    files: list[JobFile]
    expires_at: str | None
    error: str | None = None
