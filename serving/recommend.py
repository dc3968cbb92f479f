"""A list of content for one patient: what may be shown, in the order of the approved head, on record."""

from __future__ import annotations

import secrets
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from features import instants
from features.instants import DAY
from features.tags import tags
from serving.consent import YEAR_US, Standing, birth, known, standing
from serving.decide import alarmed, unfit
from serving.draft import code_version
from serving.front import front
from serving.models import Served
from serving.question import Question
from serving.reasons import choose, refusal, templates
from training.affinity.item import Item
from training.affinity.readers import conditions
from training.affinity.recommender import Listed as Ranked
from training.affinity.safety import Reader, for_everyone
from training.affinity.values import AffinityValues

if TYPE_CHECKING:
    from serving.desk import Desk

TASK = "content_affinity"
POLICY, EVERYONE = "ranked-explore-last-1", "date-and-channel-for-everyone-2"
"""Names of what orders a list, for its log."""
COARSE = {
    "not_published": "not_current",
    "expired": "not_current",
    "not_reviewed": "not_reviewed",
    "wording": "not_reviewed",
    "age": "not_suitable",
    "contraindicated": "not_suitable",
    "sensitive": "not_suitable",
}
"""Why an item is withheld -> the class that a caller without the right to more is told."""


@dataclass(frozen=True)
class Listed:
    """A list on its way to the ledger: the answer's fields, the record's header and payload."""

    answer: dict[str, Any]
    header: dict[str, Any]
    payload: dict[str, Any]


def for_all(desk: Desk, question: Question, k: int, channel: str) -> Listed:
    """Return the list that is the same for everyone; it needs no patient data and no consent.

    A seal and signs of acute illness withhold its delivery; they do not change it.
    """
    assert question.patient_id is not None
    sealed = desk.ledger.keys.tombstone(question.patient_id) is not None
    if sealed or tags().acute(desk.store.tables(question.patient_id), question.patient_id, question.at):
        refused = "sealed" if sealed else "acute_flag"
        return _listed(question, channel, False, None, Standing(None), [], {}, refused)
    chosen = for_everyone(desk.catalogue.items, question.at, channel)[:k]
    shown = [_shown(item, slot, None, [], 1.0) for slot, item in enumerate(chosen, 1)]
    return _listed(question, channel, False, None, Standing(None), shown, {}, None)


def for_one(desk: Desk, question: Question, k: int, channel: str) -> Listed:
    """Return a personal list, or the refusal that stands instead."""
    assert question.patient_id is not None
    served, recommender = desk.models.served[TASK], desk.models.recommender
    assert recommender is not None
    upto = desk.store.last_seq()
    tables = desk.store.tables(question.patient_id, upto=upto)
    consents, born = known(tables.get("consents"), question.now), birth(tables.get("patients"), question.now)
    consent = standing(consents, question.purpose, question.now, born, desk.settings)
    sealed = desk.ledger.keys.tombstone(question.patient_id) is not None
    refused = "sealed" if sealed else consent.refusal
    if refused is None:
        vector = desk.models.vector(tables, question.patient_id, question.at)
        failed = unfit(served.task, desk.models.columns(vector, served.task.cohort.needs))
        refused = failed[0] if failed else None
    if refused is None and tags().acute(tables, question.patient_id, question.at):
        refused = "acute_flag"
    if refused is not None:
        return _listed(question, channel, True, served, consent, [], {}, refused, upto)
    reader = Reader(
        None if born is None else (question.at - born) / YEAR_US,
        conditions(tables, question.at),
        "sensitive" in consent.categories and channel in desk.settings.private_channels,
    )
    display = front(desk).now(desk.store, desk.catalogue.items, question.at)
    person = display.person(_read(tables, question.at), question.at, reader.age, reader.conditions)
    seed = secrets.randbits(63)
    with alarmed(served):
        ranked = recommender.recommend(
            display, person, reader, question.at, k, seed, _tired(tables, question.at, recommender.values)
        )
    used = recommender.used_groups
    shown = [
        _shown(
            item,
            place + 1,
            float(ranked.affinity[place]),
            _reasons(ranked, place, used),
            float(ranked.propensity[place]),
        )
        for place, item in enumerate(ranked.items)
    ]
    logged = {
        "eligible": list(ranked.eligible),
        "score": ranked.score.tolist(),
        "relative": [dict(zip(ranked.groups, row, strict=True)) for row in ranked.relative.tolist()],
        "exploring": {
            "slot": ranked.slot,
            "probability": recommender.values.exploring.probability,
            "sampled": list(ranked.sampled),
            "explored": ranked.explored,
            "seed": seed,
        },
        "popularity_at": instants.iso(display.stage.at),
    }
    return _listed(question, channel, True, served, consent, shown, ranked.withheld, None, upto, logged)


def _read(tables: Mapping[str, pa.Table], at: int) -> list[tuple[str, int]]:
    rows = known(tables.get("interactions"), at)
    return [(row["content_id"], row["time"]) for row in rows if row.get("content_id") and row["time"] <= at]


def _tired(tables: Mapping[str, pa.Table], at: int, values: AffinityValues) -> frozenset[str]:
    """Return the items shown often enough lately without being opened."""
    shown: Counter[str] = Counter()
    for row in known(tables.get("impressions"), at):
        if row.get("content_id") and at - values.fatigue_days * DAY < row["time"] <= at:
            shown[row["content_id"]] += -values.fatigue_shown if row.get("clicked") else 1
    return frozenset(name for name, times in shown.items() if times >= values.fatigue_shown)


def _reasons(ranked: Ranked, place: int, used: frozenset[str]) -> list[dict[str, str]]:
    """Word what put the item above this person's other candidates; at least one group is named."""
    relative = dict(zip(ranked.groups, ranked.relative[place].tolist(), strict=True))
    raised = {group: value for group, value in relative.items() if value > 0 and group in used}
    chosen = choose(raised or relative, used)
    return [templates().reason(each.group, each.direction, "patient").reason() for each in chosen]


def _shown(
    item: Item, slot: int, affinity: float | None, reasons: list[dict[str, str]], propensity: float
) -> dict[str, Any]:
    return {
        "content_id": item.content_id,
        "title": item.title,
        "format": item.format,
        "slot": slot,
        "affinity": affinity,
        "reasons": reasons,
        "propensity": propensity,
    }


def _listed(
    question: Question,
    channel: str,
    personalised: bool,
    served: Served | None,
    consent: Standing,
    shown: Sequence[dict[str, Any]],
    withheld: Mapping[str, str],
    refused: str | None,
    upto: int | None = None,
    logged: Mapping[str, Any] | None = None,
) -> Listed:
    list_id, asker = uuid.uuid4().hex, question.principal
    model = None if served is None else served.named()
    answer: dict[str, Any] = {
        "list_id": list_id,
        "patient_id": question.patient_id,
        "as_of": instants.iso(question.at),
        "personalised": personalised,
        "items": list(shown),
        "excluded": dict(sorted(Counter(COARSE[why] for why in withheld.values()).items())),
        "model": model,
    }
    items = [{"content_id": name, "why": why} for name, why in withheld.items()]
    if question.explain == "full":
        answer["excluded_items"] = items
    if refused is not None:
        answer["refused"] = refusal(refused).answer()
    header = {
        "task": TASK,
        "model": model,
        "templates": templates().digest,
        "code": code_version(),
        "purpose": question.purpose,
        "principal": asker.name,
        "role": asker.role,
        "department": asker.department,
        "consent_id": consent.consent_id,
        "notice": consent.notice,
        "channel": channel,
        "list_policy": POLICY if personalised else EVERYONE,
        "personalised": personalised,
        "as_of": instants.iso(question.at),
        "recorded_at": instants.iso(question.now),
        "store_seq": upto,
        "outcome": refused or "listed",
    }
    payload = {
        "patient_id": question.patient_id,
        "items": list(shown),
        "excluded_items": items,
        **(logged or {}),
        "refused": answer.get("refused"),
        "probability": None,
    }
    return Listed(answer, header, payload)
