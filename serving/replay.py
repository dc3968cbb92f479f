"""Replay: a recorded decision or list made again, from the recorded model and the events read then.

Nothing is taken from the record but what was asked: the events up to the recorded number, the
consents as known when it was asked, the model by its digest. What comes out is compared with the
record bit by bit. A correction or a late event has a higher number, so it is not read; a model that
was replaced since is still in the state folder.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features import instants
from features.errors import InputError
from features.store import EventStore
from serving.access import Principal
from serving.appender import canonical
from serving.chart import Chart
from serving.consent import Standing
from serving.decide import judge
from serving.draft import Draft, made_with
from serving.ledger import Entry, Sealed
from serving.listed import Listed
from serving.models import Models
from serving.question import Question
from serving.relist import relist
from serving.scoring import score
from serving.settings import Serving
from training.explanation import ExplanationFault

_HELD = 16
_LAKE = "the vector was taken from the record: it was read from a lake"
_ERASED = "the vector was taken from the record: the patient's events were erased"
_NAMED = {
    "decision": ("outcome", "vector_spec", "bands", "consent_id", "notice"),
    "list": ("outcome", "list_policy", "consent_id", "notice"),
}
"""What of a header a replay must reproduce."""
_ASIDE = frozenset({"shadow"})
"""Fields of a payload that are no part of the decision."""


@dataclass(frozen=True)
class Replay:
    """What a replay found.

    Attributes
    ----------
    verdict
        ``equal``, ``differs``, or ``impossible`` where there is nothing left to replay from.
    differs
        What differs: place, the recorded value and the replayed one.
    changed
        What the answer was made with and is no longer what the service runs: it need not matter.
    why
        Where it is impossible, what is missing; else what was not recomputed.
    """

    decision_id: str
    verdict: str
    differs: tuple[dict[str, Any], ...] = ()
    changed: tuple[dict[str, Any], ...] = ()
    why: str | None = None
    read_up_to: int | None = None
    model: Mapping[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "decision_id": self.decision_id,
            "verdict": self.verdict,
            "differs": list(self.differs),
            "changed": list(self.changed),
            "why": self.why,
            "read_up_to": self.read_up_to,
            "model": self.model,
        }


def replay(entry: Entry, home: Path, store: EventStore, rules: Serving) -> Replay:
    """Make a recorded decision again and compare.

    Parameters
    ----------
    entry
        A ledger entry of kind ``decision`` or ``list``.
    home
        The state folder, which holds every model that was ever approved.
    """
    header = entry.header

    def told(verdict: str, why: str | None, differs: tuple[dict[str, Any], ...] = ()) -> Replay:
        return Replay(entry.id, verdict, differs, _changed(header), why, header["store_seq"], header["model"])

    try:
        recorded = entry.payload
    except Sealed:
        return told("impossible", "the patient's key was destroyed")
    try:
        made, why = _made(entry.kind, header, recorded, home, store, rules)
    except InputError as fault:
        return told("impossible", f"the recorded model cannot be loaded: {fault}")
    except ExplanationFault:
        return told("impossible", "the explanation no longer adds up")
    if made is None:
        return told("impossible", why or "what was known of the patient is not kept")
    then = {name: value for name, value in recorded.items() if name not in _ASIDE}
    now = {name: value for name, value in made.payload.items() if name not in _ASIDE}
    named = [{name: each[name] for name in _NAMED[entry.kind]} for each in (header, made.header)]
    differs = tuple(_compare("", {**then, **named[0]}, {**now, **named[1]}))
    return told("differs" if differs else "equal", why, differs)


def _made(
    kind: str,
    header: Mapping[str, Any],
    recorded: Mapping[str, Any],
    home: Path,
    store: EventStore,
    rules: Serving,
) -> tuple[Draft | Listed | None, str | None]:
    """Return what was recorded made again, if it can be, and what of it was not recomputed."""
    model = header["model"]
    models = None if model is None else _models(home, header["task"], model["digest"], model["version"])
    if kind == "list":
        return relist(header, recorded, models, store, rules)
    assert models is not None
    made, why = _again(header, recorded, models, store, rules)
    return made, None if made is None else why


def _again(
    header: Mapping[str, Any], recorded: Mapping[str, Any], models: Models, store: EventStore, rules: Serving
) -> tuple[Draft | None, str | None]:
    """Return the decision made again, if it can be, and what of it was not recomputed."""
    may = frozenset({"explain"}) if header["audience"] == "staff" else frozenset()
    role = "compliance" if may else "outreach"
    asker = Principal(header["principal"], role, may, frozenset({header["purpose"]}), header["department"])
    at, now = instants.parse(header["as_of"]), instants.parse(header["recorded_at"])
    patient_id, upto = recorded["patient_id"], header["store_seq"]
    known = header["subject"] is not None
    question = Question(
        patient_id,
        (header["task"],),
        header["purpose"],
        at,
        now,
        asker,
        exploratory=header["exploratory"],
        known=known,
    )
    if upto is None:
        return _from_record(header, recorded, models, question), _LAKE if "lake" in header else None
    sealed = header["outcome"] == "sealed"
    chart = None
    if known and not sealed:
        tables = store.tables(patient_id, upto=upto)
        if not any(table.num_rows for table in tables.values()):
            return _from_record(header, recorded, models, question), _ERASED
        chart = Chart.of(models.behind, tables, patient_id)
    stale, too_old = recorded["stale"], header["outcome"] == "stale"
    return judge(models, rules, lambda _at: (stale, too_old), question, chart, upto, sealed=sealed)[0], None


def _from_record(
    header: Mapping[str, Any], recorded: Mapping[str, Any], models: Models, question: Question
) -> Draft | None:
    """Return what was scored without the event store (a self-test, a lake), or whose events were erased since,
    scored again from its recorded vector. A refusal kept none.
    """
    if header["outcome"] != "scored":
        return None
    served = models.served[header["task"]]
    values = {value["feature"]: value["value"] for value in recorded["values"]}
    origins = {value["feature"]: {**value, "n": value["events"]} for value in recorded["values"]}
    row = np.array([np.nan if values[name] is None else values[name] for name in served.scorer.spec.names])
    draft = Draft(question, served, Standing(None, header["consent_id"], header["notice"]), None)
    (fields,) = score([(served, row)], origins)
    draft.score(fields, recorded["stale"])
    return draft


@functools.lru_cache(_HELD)
def _models(home: Path, task: str, digest: str, version: str) -> Models:
    return Models.alone(home, task, {"digest": digest, "version": version})


def _changed(header: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"what": name, "then": header.get(name), "now": value}
        for name, value in made_with().items()
        if header.get(name) != value
    )


def _compare(place: str, recorded: Any, replayed: Any) -> Iterator[dict[str, Any]]:
    """Yield every place where two JSON values are not the same bytes."""
    if canonical({"": recorded}) == canonical({"": replayed}):
        return
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        for name in sorted({*recorded, *replayed}):
            within = f"{place}.{name}" if place else name
            yield from _compare(within, recorded.get(name), replayed.get(name))
    elif isinstance(recorded, list) and isinstance(replayed, list) and len(recorded) == len(replayed):
        for number, (one, other) in enumerate(zip(recorded, replayed, strict=True)):
            named = one.get("feature", number) if isinstance(one, dict) else number
            yield from _compare(f"{place}.{named}", one, other)
    else:
        yield {"what": place, "recorded": recorded, "replayed": replayed}
