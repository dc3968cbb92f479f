"""Shapes of the routes about patients, identities, contents and changes; the rest stands in schemas.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from features.params import general
from serving.changes import Kind
from serving.schemas import Instant, Purpose, Receipt, Refused, Request, Surrogate, Text, one_of


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


class ProfileQuery(Query):
    """For what the profile is asked: it shows what may be used for that, and no more."""

    purpose: Purpose


class TagShown(BaseModel):
    """One tag: its value, what set it, in which version, and since when it holds."""

    code: str
    zh: str
    en: str
    layer: Literal["basic", "health", "behaviour", "need"]
    value: Annotated[bool | str, Field(description="true, or one of the tag's values")]
    value_zh: str | None = None
    value_en: str | None = None
    set_by: Literal["rule", "model"]
    version: str
    model: str | None = None
    since: str
    sensitive: bool
    weak: Annotated[bool, Field(description="the rule rests on weak evidence")] = False
    static: bool


class TierShown(BaseModel):
    """One tier; ``review`` marks one that rests on spending: it never decides medical priority or price."""

    code: str
    zh: str
    en: str
    scheme: Literal["activity", "value"]
    since: str
    version: str
    review: bool


class ProfileAnswer(BaseModel):
    """What the rules and the latest scores say of a patient, as far as purpose and consent allow."""

    patient_id: str
    as_of: str
    purpose: str
    tags: list[TagShown]
    tiers: list[TierShown]
    receipt: Receipt
    refused: Refused | None = None


class TagDeleted(BaseModel):
    """A tag that its patient deleted: it stays deleted, whatever its rule says from now on."""

    patient_id: str
    tag: str
    result: Literal["deleted", "already_deleted"]
    receipt: Receipt


Names = Annotated[list[Text], Field(max_length=50)]


Barred = Annotated[
    str, StringConstraints(strict=True, max_length=64, pattern=r"^([a-z][a-z0-9_]*|[A-Z][0-9A-Z.]+(-[A-Z]?[0-9.]+)?)$")
]


class ContentRequest(Request):
    """An item as it is to stand from now on; what is left out is unknown, and doubt withholds an item."""

    title: Annotated[str, Field(min_length=1, max_length=500)]
    topics: Names = Field(default_factory=list)
    layer: Literal["basic", "advanced", "interactive"] | None = None
    format: Literal["article", "short_video", "livestream", "comic", "h5"] | None = None
    language: Text | None = None
    department: Text | None = None
    author: Text | None = None
    published_at: Annotated[Instant | None, Field(description="absent: now")] = None
    expires_at: Instant | None = None
    reviewers: Annotated[Names, Field(description="staff surrogates of the doctors who reviewed it")] = Field(
        default_factory=list
    )
    contraindications: Annotated[
        list[Barred],
        Field(
            max_length=50, description="codelists, life stages, or codes of ICD-10 and ATC or ranges of them (E10-E14)"
        ),
    ] = Field(default_factory=list)
    min_age: Annotated[float | None, Field(ge=0, le=150)] = None
    sensitive: bool | None = None


class ContentAnswer(BaseModel):
    """What became of an item. ``withheld`` names why nobody is shown it now; null: it may be shown."""

    content_id: str
    result: Literal["published", "replaced", "withdrawn"]
    withheld: Literal["not_published", "not_reviewed", "expired", "wording"] | None
    receipt: Receipt


_SYSTEMS = general().identity_systems
System = Annotated[
    str, StringConstraints(strict=True), one_of(_SYSTEMS), WithJsonSchema({"type": "string", "enum": list(_SYSTEMS)})
]


class ConsentRequest(Request):
    """A consent as it now stands; or, without ``granted_at``, a withdrawal or an objection alone."""

    consent_id: Annotated[
        Surrogate | None, Field(description="absent: the consent under that evidence, or the latest for the purpose")
    ] = None
    patient_id: Surrogate
    purpose: Purpose
    withdrawn_at: Instant | None = None
    automated_decision: Literal["allowed", "objected"] = "allowed"
    granted_at: Annotated[
        Instant | None, Field(description="needs method, evidence_ref, notice_version and separate beside it")
    ] = Field(None, validate_default=True)
    basis: Text = "consent"
    categories: Annotated[list[Text], Field(max_length=50)] = Field(default_factory=list)
    method: Text | None = Field(None, validate_default=True)
    evidence_ref: Text | None = Field(None, validate_default=True)
    notice_version: Text | None = Field(None, validate_default=True)
    notice_hash: Text | None = None
    separate: bool | None = Field(None, validate_default=True)
    guardian: bool = False

    @field_validator("granted_at", "method", "evidence_ref", "notice_version", "separate")
    @classmethod
    def _said(cls, given: Any, met: ValidationInfo) -> Any:
        """Demand what proves a consent, unless it is only taken back."""
        before = met.data
        back = before.get("withdrawn_at") is not None or before.get("automated_decision") == "objected"
        if given is None and (before.get("granted_at") is not None or (met.field_name == "granted_at" and not back)):
            raise PydanticCustomError("missing", "field required")
        return given


class ConsentAnswer(BaseModel):
    """The consent as it now stands on record."""

    consent_id: str
    version: int
    result: Literal["stored", "duplicate"]
    known_at: str


class OwnId(Request):
    """One system's own id of a patient."""

    system: System
    value: Annotated[str, StringConstraints(min_length=1, max_length=200, strict=True)]


class ResolveRequest(Request):
    """Ids to turn into surrogates; at most 1,000 a call."""

    ids: Annotated[list[OwnId], Field(min_length=1, max_length=1000)]


class ResolvedId(BaseModel):
    """What an id stands for. ``merged_from`` is the surrogate that it stood for before a merge."""

    system: str
    value: str
    patient_id: str | None
    merged_from: str | None = None


class ResolveAnswer(RootModel[list[ResolvedId]]):
    """One row per id, in the order asked."""
