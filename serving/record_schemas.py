"""Shapes of the routes about records: decisions by query, replay, dossier, erasure, oneself."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from features import instants
from features.errors import InputError
from features.instants import DAY
from serving.patient_schemas import Query
from serving.schemas import DecisionRecord, Model, Name, Receipt, Request, Surrogate

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_SPACED = re.compile(r"(.*\d) (\d\d:\d\d)")
_INSTANT = WithJsonSchema({"type": "string", "description": "a date, or an RFC 3339 time with offset"})


def _moment(given: Any, first: bool) -> int:
    try:
        text = str(given)
        if _DATE.fullmatch(text):
            last = instants.parse(text)
            return last - DAY + 1 if first else last
        return instants.parse(_SPACED.sub(r"\1+\2", text).upper())
    except (InputError, ValueError, OverflowError):
        raise PydanticCustomError("instant", "write a date, or an RFC 3339 time with offset") from None


def _refused(given: Any) -> bool | str:
    text = str(given).lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(text, text)


Since = Annotated[int, BeforeValidator(lambda given: _moment(given, True)), _INSTANT]
Until = Annotated[int, BeforeValidator(lambda given: _moment(given, False)), _INSTANT]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class DecisionsQuery(Query):
    """Which decisions: every condition given must hold."""

    patient_id: Surrogate | None = None
    since: Annotated[Since | None, Field(alias="from")] = None
    until: Annotated[Until | None, Field(alias="to")] = None
    task: Name | None = None
    campaign: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    refused: Annotated[
        bool | Code | None,
        BeforeValidator(_refused),
        Field(description="true: refusals; false: scores; a code: that refusal"),
    ] = None
    after: Annotated[int | None, Field(ge=0, le=2**62, description="`next` of the page before")] = None
    most: Annotated[int, Field(alias="limit", ge=1, le=1000)] = 100


class DecisionsAnswer(BaseModel):
    """One page of decisions, newest first."""

    decisions: list[DecisionRecord]
    next: Annotated[str | None, Field(description="`after` of the next page; null on the last")]


class ReplayRequest(Request):
    """Nothing needs to be said; an empty body will do."""


class Difference(BaseModel):
    """One value that a replay did not reproduce."""

    what: str
    recorded: Any
    replayed: Any


class Changed(BaseModel):
    """What the decision was made with and the service no longer runs."""

    what: str
    then: Any
    now: Any


class ReplayAnswer(BaseModel):
    """What a replay found: equal to the last bit, what differs, or why it is impossible."""

    model_config = ConfigDict(protected_namespaces=())

    decision_id: str
    verdict: Literal["equal", "differs", "impossible"]
    differs: list[Difference]
    changed: list[Changed]
    why: str | None
    read_up_to: int | None
    model: Model | None


class TrainedOn(BaseModel):
    """One approved version, and whether the patient was in the lake that it was trained on."""

    task: str
    version: str
    digest: str
    in_training_lake: Annotated[bool | None, Field(description="null where that lake is not on this machine")]


class ErasureAnswer(BaseModel):
    """The receipt of an erasure."""

    patient_id: str
    sealed_at: str
    key_destroyed_at: str | None
    key_stands_until: str | None
    retention: Annotated[list[str], Field(description="retention classes that keep the key")]
    purged: dict[str, int]
    models: list[TrainedOn]
    backups_expire_days: int
    receipt: Receipt


class DossierAnswer(BaseModel):
    """Everything held of a patient: tables and rows, consents, decisions, lists, who read them, models, rights."""

    patient_id: str
    as_of: str
    sealed_at: str | None
    held: list[dict[str, Any]]
    data: dict[str, list[dict[str, Any]]]
    consents: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    lists: list[dict[str, Any]]
    read_by: list[dict[str, Any]]
    models: list[dict[str, Any]]
    retention: dict[str, Any]
    rights: list[dict[str, str]]


class Quota(BaseModel):
    """Distinct patients that a key may deal with in a window, and how many it has."""

    name: str
    limit: int
    used: int
    window_s: int
    resets_in_s: int


class MeAnswer(BaseModel):
    """Whom a key stands for."""

    name: str
    role: str
    department: str | None
    scopes: list[str]
    purposes: list[str]
    hours: Annotated[list[int], Field(description="first hour, and the hour before which it ends")]
    quotas: list[Quota]
