"""A list of content for one patient: what may be shown, in the order of the approved head, on record."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from features.consent import YEAR_US
from features.tags import tags
from serving.consent import Standing, birth, known, standing
from serving.decide import alarmed, unfit
from serving.front import Fronted, front
from serving.given import Given
from serving.listed import TASK, Listed, shown
from serving.problem import Problem
from serving.question import Question
from serving.reasons import choose, templates
from training.affinity.fatigue import tired
from training.affinity.readers import conditions
from training.affinity.recommender import Listed as Ranked
from training.affinity.recommender import Recommender
from training.affinity.safety import Reader, by_date, closed
from training.affinity.values import AffinityValues

if TYPE_CHECKING:
    from serving.desk import Desk


def for_all(desk: Desk, question: Question, k: int, channel: str) -> Listed:
    """Return the list that is the same for everyone, or the refusal that stands instead."""
    return recommend(_read(desk, question, k, channel, personalised=False))


def for_one(desk: Desk, question: Question, k: int, channel: str) -> Listed:
    """Return a personal list, or the refusal that stands instead.

    Raises
    ------
    Problem
        503 where an explanation does not add up: no list leaves, none is recorded.
    """
    with alarmed(desk.models.served[TASK]):
        return recommend(_read(desk, question, k, channel, personalised=True))


def check(desk: Desk, purpose: str, *, personalised: bool) -> None:
    """Refuse lists that cannot be: 403 for a purpose that they do not serve, 404 without an approved model."""
    served = desk.models.served.get(TASK)
    if personalised and served is not None and purpose not in served.task.purposes:
        raise Problem(403, "lists of content do not serve that purpose", field="purpose")
    if personalised and served is None:
        raise Problem(404, f"no approved model for {TASK}; ask with personalised false", code="unknown_task")


def recommend(given: Given) -> Listed:
    """Make a list of what is given and of nothing else.

    Raises
    ------
    ExplanationFault
        An explanation does not add up.
    """
    if not given.question.known:
        served = given.models.served[TASK] if given.models is not None and given.personalised else None
        return Listed.of(given, served, Standing(None), refused="unknown_patient")
    return _personal(given) if given.personalised else _same(given)


def ranked(given: Given, consent: Standing, found: Ranked, fronted: Mapping[str, Any]) -> Listed:
    """Word a ranked list and note what it rests on; ``fronted`` is what is kept of the display."""
    assert given.models is not None and given.models.recommender is not None
    recommender = given.models.recommender
    items = [
        shown(
            item,
            place + 1,
            float(found.affinity[place]),
            _reasons(found, place, recommender.used_groups),
            float(found.propensity[place]),
            found.sampled if place + 1 == found.slot else None,
        )
        for place, item in enumerate(found.items)
    ]
    logged = {
        "eligible": list(found.eligible),
        "score": found.score.tolist(),
        "relative": [dict(zip(found.groups, row, strict=True)) for row in found.relative.tolist()],
        "mean": dict(zip(found.groups, found.mean.tolist(), strict=True)),
        "rows": found.rows.tolist(),
        "exploring": {
            "slot": found.slot,
            "probability": recommender.values.exploring.probability,
            "sampled": list(found.sampled),
            "explored": found.explored,
            "seed": given.seed,
        },
        **fronted,
    }
    return Listed.of(given, given.models.served[TASK], consent, items, found.withheld, None, logged)


def _read(desk: Desk, question: Question, k: int, channel: str, *, personalised: bool) -> Given:
    """Read what a list is made from, as it stands now."""
    assert question.patient_id is not None
    epoch, upto, models = desk.ledger.epoch(question.patient_id), desk.store.last_seq(), desk.models
    items, contents_seq = desk.catalogue.stands()

    def fronted() -> Fronted:
        return front(desk).now(desk.store, items, question.at)

    return Given(
        question,
        k,
        channel,
        personalised,
        desk.settings,
        upto,
        desk.store.tables(question.patient_id, upto=upto),
        desk.ledger.keys.tombstone(question.patient_id) is not None,
        items,
        contents_seq,
        models if personalised else None,
        fronted if personalised else None,
        secrets.randbits(63) if personalised else 0,
        epoch=epoch,
    )


def _same(given: Given) -> Listed:
    """Return the list that is the same for everyone; it needs no patient data and no consent.

    A seal and signs of acute illness withhold its delivery; they do not change it.
    """
    question = given.question
    assert question.patient_id is not None
    nobody = Standing(None)
    if given.sealed or tags().acute(given.tables, question.patient_id, question.at):
        return Listed.of(given, None, nobody, refused="sealed" if given.sealed else "acute_flag")
    judged = [(item, closed(item, question.at)) for item in given.items]
    withheld = {item.content_id: why for item, why in judged if why is not None}
    chosen = by_date((item for item, why in judged if why is None), given.channel)[: given.k]
    items = [shown(item, slot, None, [], 1.0) for slot, item in enumerate(chosen, 1)]
    return Listed.of(given, None, nobody, items, withheld)


def _personal(given: Given) -> Listed:
    question, tables, models = given.question, given.tables, given.models
    assert question.patient_id is not None and given.fronted is not None
    assert models is not None and models.recommender is not None
    served = models.served[TASK]
    consents, born = known(tables.get("consents"), question.now), birth(tables.get("patients"), question.now)
    consent = standing(consents, question.purpose, question.now, born, given.rules)
    refused = "sealed" if given.sealed else consent.refusal
    if refused is None:
        vector = models.vector(tables, question.patient_id, question.at)
        failed = unfit(served.task, models.columns(vector, served.task.cohort.needs))
        refused = failed[0] if failed else None
    if refused is None and tags().acute(tables, question.patient_id, question.at):
        refused = "acute_flag"
    if refused is not None:
        return Listed.of(given, served, consent, refused=refused)
    reader = Reader(
        None if born is None else (question.at - born) / YEAR_US,
        conditions(tables, question.at),
        "sensitive" in consent.categories and given.channel in given.rules.private_channels,
    )
    fronted = given.fronted()
    found = _ranked(given, models.recommender, fronted, reader)
    return ranked(given, consent, found, fronted.record())


def _ranked(given: Given, recommender: Recommender, fronted: Fronted, reader: Reader) -> Ranked:
    at, tables, display = given.question.at, given.tables, fronted.display
    person = display.person(_opened(tables, at), at, reader.age, reader.conditions)
    rested = _tired(tables, at, recommender.values)
    if given.recalled is not None:
        _, verdict = recommender.offered(display, person, reader, at, given.k, rested)
        return given.recalled.listed(recommender, display, verdict)
    return recommender.recommend(display, person, reader, at, given.k, given.seed, rested)


def _opened(tables: Mapping[str, pa.Table], at: int) -> list[tuple[str, int]]:
    rows = known(tables.get("interactions"), at)
    return [(row["content_id"], row["time"]) for row in rows if row.get("content_id") and row["time"] <= at]


def _tired(tables: Mapping[str, pa.Table], at: int, values: AffinityValues) -> frozenset[str]:
    """Return the items shown often enough lately without being opened."""
    rows = known(tables.get("impressions"), at)
    return tired(((row.get("content_id"), row.get("clicked"), row["time"]) for row in rows), at, values)


def _reasons(found: Ranked, place: int, used: frozenset[str]) -> list[dict[str, str]]:
    """Word what put the item above this person's other candidates; at least one group is named."""
    relative = dict(zip(found.groups, found.relative[place].tolist(), strict=True))
    raised = {group: value for group, value in relative.items() if value > 0 and group in used}
    chosen = choose(raised or relative, used)
    return [templates().reason(each.group, each.direction, "patient").reason() for each in chosen]
