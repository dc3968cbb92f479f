"""The shapes of every request and answer, as pydantic models; /openapi.json is generated from them.

Requests are strict: unknown fields, wrong types and instants without an offset are refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from features import instants
from features.params import general
from serving.settings import serving

MOST_SLOTS = 50
"""Items that a list may have."""
_BARE = re.compile(r"\d{4}-\d\d-\d\d")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")
_PURPOSES, _CHANNELS, _LIMITS = general().purposes, general().channels, serving()


def _instant(given: Any) -> int:
    if not isinstance(given, str) or not _RFC3339.fullmatch(given):
        raise PydanticCustomError("instant", "write an RFC 3339 time with offset")
    return _read(given)


def _date(given: Any) -> int:
    return _read(given) if isinstance(given, str) and _BARE.fullmatch(given) else _instant(given)


def _read(text: str) -> int:
    try:
        return instants.parse(text.upper())
    except (ValueError, OverflowError):
        raise PydanticCustomError("instant", "no such time") from None


def one_of(names: tuple[str, ...]) -> AfterValidator:
    """Refuse a text that is not one of a closed list."""

    def check(given: str) -> str:
        if given not in names:
            raise PydanticCustomError("one_of", "use one of {names}", {"names": ", ".join(names)})
        return given

    return AfterValidator(check)


def distinct(given: list[str]) -> list[str]:
    if len(set(given)) != len(given):
        raise PydanticCustomError("distinct", "name each only once")
    return given


Surrogate = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}$", strict=True)]
AnyId = Annotated[str, StringConstraints(strict=True)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$", strict=True)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strict=True)]
Purpose = Annotated[
    str, StringConstraints(strict=True), one_of(_PURPOSES), WithJsonSchema({"type": "string", "enum": list(_PURPOSES)})
]
Channel = Annotated[
    str, StringConstraints(strict=True), one_of(_CHANNELS), WithJsonSchema({"type": "string", "enum": list(_CHANNELS)})
]
Instant = Annotated[int, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Date = Annotated[int, BeforeValidator(_date)]
Tasks = Annotated[list[Name], Field(min_length=1, max_length=20), AfterValidator(distinct)]
Explain = Literal["none", "codes", "full"]
Direction = Literal["raises", "lowers"]


class Request(BaseModel):
    """Base of every request body."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ScoreRequest(Request):
    """One patient, some tasks, one purpose."""

    patient_id: Surrogate
    tasks: Tasks
    purpose: Purpose
    as_of: Instant | None = None
    explain: Explain = "codes"
    exploratory: Annotated[bool, Field(description="also answer from models marked exploratory")] = False


class BatchRequest(Request):
    """Many patients, some tasks, one purpose; one bad id is one refused line, an id given twice is two lines."""

    patient_ids: Annotated[list[AnyId], Field(min_length=1, max_length=_LIMITS.batch_limit)]
    tasks: Tasks
    purpose: Purpose
    exploratory: bool = False


class RecommendRequest(Request):
    """A list of content for one patient on one channel."""

    patient_id: Surrogate
    k: Annotated[int, Field(ge=1, le=MOST_SLOTS)]
    channel: Channel
    purpose: Purpose
    personalised: bool = True
    explain: Explain = "codes"


class SelfTestRequest(Request):
    """The answers to a questionnaire and the tick that consents to this one use of them."""

    answers: dict[Name, float | str | bool | None]
    consent: Annotated[bool, Field(description="the person has consented to this use of the answers")]


class EventsRequest(Request):
    """Events as JSON; the same objects, one a line, are taken as NDJSON."""

    events: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=_LIMITS.events_limit)]


class Receipt(BaseModel):
    """Where the decision stands in the ledger."""

    seq: int
    hash: str


class Model(BaseModel):
    """The approved model that answered."""

    name: str
    version: str
    digest: str


class Reason(BaseModel):
    """One reason, from a reviewed template."""

    code: str
    zh: str
    en: str
    group: str
    direction: Direction


class Missing(BaseModel):
    """A clinical group the model uses and of which nothing was known."""

    code: str
    zh: str
    en: str


class Stale(BaseModel):
    """A table that has not grown for longer than its limit."""

    source: str
    last_seen: str | None
    limit_days: float


class Refused(BaseModel):
    """Why there is no score, and what to do instead."""

    code: str
    message_zh: str
    message_en: str
    action: Literal["ask_consent", "send_to_person", "do_not_contact", "retry_after_data", "none"]


class Value(BaseModel):
    """One input of the model and the latest event behind it."""

    feature: str
    label_zh: str
    label_en: str
    unit: str
    group: str
    window_days: float | None
    value: float | None
    event_id: str | None
    time: str | None
    known_at: str | None
    source: str | None
    events: int | None


class Interval(BaseModel):
    """Venn-ABERS ends beside a risk: wide where the calibration had little to learn from. The probability stays."""

    lo: float
    hi: float


class Decision(BaseModel):
    """One decision: a score with its reasons, or a refusal. Full explanations add the last six."""

    decision_id: str
    task: str
    horizon_days: int | None
    probability: float | None
    band: Literal["low", "medium", "high", "very_high"] | None
    model: Model | None
    reasons: list[Reason]
    stable: Annotated[bool | None, Field(description="null where the model version carries no stability table")]
    missing: list[Missing]
    stale: list[Stale]
    receipt: Receipt
    refused: Refused | None = None
    interval: Annotated[Interval | None, Field(description="null where the model version carries none")] = None
    margin: float | None = None
    base: float | None = None
    contributions: dict[str, float] | None = None
    group_contributions: dict[str, float] | None = None
    values: list[Value] | None = None


class ScoreAnswer(BaseModel):
    """One patient's decisions, in the order of the tasks asked."""

    patient_id: str
    as_of: str
    decisions: list[Decision]


class BatchAnswer(BaseModel):
    """One line per patient, in the order asked."""

    as_of: str
    results: list[ScoreAnswer]


class ErrorBody(BaseModel):
    """What went wrong; nothing that was sent is repeated."""

    code: str
    message: str
    field: str | None


class ErrorAnswer(BaseModel):
    """The envelope of every answer other than 200."""

    error: ErrorBody


class EventResult(BaseModel):
    """What became of one delivered event."""

    event_id: str | None
    version: int | None
    result: Literal["stored", "duplicate", "quarantined"]
    code: str | None = None
    field: str | None = None


class EventsAnswer(BaseModel):
    """One result per event, in the order delivered; as NDJSON where the caller accepts it."""

    known_at: str
    counts: dict[str, int]
    results: list[EventResult]


class ModelShown(BaseModel):
    """One approved model."""

    task: str
    zh: str
    en: str
    purposes: list[str]
    horizon_days: int
    version: str
    digest: str
    exploratory: bool
    vector_spec: str
    features: int
    bands: list[float]
    approved_at: str
    approved_by: str
    card: str


class ModelsAnswer(BaseModel):
    """The models that score now."""

    models: list[ModelShown]


class DecisionRecord(BaseModel):
    """One decision as it was recorded; fields that a later version adds may stand beside these."""

    model_config = ConfigDict(extra="allow")

    decision_id: str
    outcome: str
    task: str
    patient_id: str | None
    principal: str
    purpose: str
    as_of: str
    recorded_at: str
    model: Model | None
    consent_id: str | None
    probability: float | None
    refused: Refused | None
    receipt: Receipt


class QuestionnaireAnswer(BaseModel):
    """What a self-test asks."""

    model_config = ConfigDict(protected_namespaces=())

    task: str
    zh: str
    en: str
    horizon_days: int
    note_zh: str
    note_en: str
    questions: Annotated[dict[str, Any], Field(alias="schema", description="JSON Schema of the answers")]


class Advice(BaseModel):
    """What to do next."""

    code: Literal["book_check_up", "keep_in_touch"]
    zh: str
    en: str


class SelfTestAnswer(Decision):
    """A decision on the answers, with what it is not and what to do next."""

    note_zh: str
    note_en: str
    advice: Advice | None


class Item(BaseModel):
    """One recommended item: its place, how likely it is to be opened, and why it stands there."""

    content_id: str
    title: str
    format: str
    slot: int
    affinity: Annotated[float | None, Field(description="of the calibrated head; null in a list for everyone")]
    reasons: list[Reason]
    propensity: Annotated[float, Field(description="of the item in its slot, given what the slot was drawn from")]
    sampled: Annotated[
        list[str] | None, Field(description="what the slot was drawn from, where one was drawn: goes into impressions")
    ] = None
    contributions: Annotated[
        dict[str, float] | None,
        Field(description="full only: by group, to the ranker's score, relative to the patient's own candidates"),
    ] = None


class Excluded(BaseModel):
    """An item that was withheld, and why."""

    content_id: str
    why: str


class RecommendAnswer(BaseModel):
    """A list, or a refusal; full explanations add what was withheld and why."""

    list_id: str
    patient_id: str
    as_of: str
    personalised: bool
    items: list[Item]
    excluded: dict[str, int]
    model: Model | None
    receipt: Receipt
    refused: Refused | None = None
    excluded_items: list[Excluded] | None = None
