"""Shapes of /v1/jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from serving.schemas import MOST_SLOTS, AnyId, Channel, Instant, Purpose, Request, Tasks, distinct

MOST_IDS = 100_000
Ids = Annotated[list[AnyId], Field(min_length=1, max_length=MOST_IDS), AfterValidator(distinct)]


_OWN = {"score": ("tasks", "top", "exploratory"), "recommend": ("k", "channel", "personalised")}
"""Fields of one kind alone."""
_NEEDED = ("tasks", "k", "channel")
"""Those that their kind cannot do without."""


class JobRequest(Request):
    """Scores or lists of many patients as a file.

    ``kind`` is ``score`` (with ``tasks``) or ``recommend`` (with ``k`` and ``channel``: every list is made,
    judged and put on record as ``/v1/recommend`` does it, as of when it is made). ``cohort`` is ``all``,
    ``patient_ids`` (with that list beside it) or ``changed_since`` (with that instant beside it: patients of whom
    anything became known since).
    """

    kind: Literal["score", "recommend"] = "score"
    tasks: Tasks | None = None
    purpose: Purpose
    cohort: Literal["all", "patient_ids", "changed_since"]
    patient_ids: Ids | None = None
    changed_since: Instant | None = None
    top: Annotated[int | None, Field(ge=1, description="only the highest of each task; all are on record")] = None
    format: Literal["ndjson", "csv", "parquet"] = "ndjson"
    exploratory: bool = False
    k: Annotated[int | None, Field(ge=1, le=MOST_SLOTS, description="items of each list")] = None
    channel: Channel | None = None
    personalised: bool = True

    @model_validator(mode="after")
    def _given(self) -> JobRequest:
        for name in ("patient_ids", "changed_since"):
            given = getattr(self, name) is not None
            if given != (self.cohort == name):
                told = "needed with this cohort" if not given else "of another cohort"
                raise PydanticCustomError("cohort", "'{name}' is {told}", {"name": name, "told": told})
        for kind, own in _OWN.items():
            for name in own:
                given, default = getattr(self, name), type(self).model_fields[name].default
                if kind == self.kind and given is None and name in _NEEDED:
                    raise PydanticCustomError("kind", "'{name}' is needed for this kind of job", {"name": name})
                if kind != self.kind and given != default:
                    raise PydanticCustomError("kind", "'{name}' is of another kind of job", {"name": name})
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
    """Decisions, or lists, so far: ``scored`` are those that were not refused."""

    scored: int
    refused: dict[str, int]


class JobAnswer(BaseModel):
    """Where a job stands; its files expire at ``expires_at``.

    ``as_of`` is the landmark of scores, and when lists were asked for: each tells when it was made.
    """

    job_id: str
    kind: Literal["score", "recommend"]
    status: Literal["queued", "running", "done", "failed", "expired"]
    created_at: str
    as_of: str
    patients: Annotated[int | None, Field(description="of the cohort; null until it is drawn")]
    done: int
    counts: JobCounts
    files: list[JobFile]
    expires_at: str | None
    error: str | None = None
