"""A recorded list made again: of the catalogue, the events, the consents and the popularity as they stood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from features import instants
from features.store import EventStore
from serving.access import Principal
from serving.catalogue import stood
from serving.consent import Standing
from serving.front import Front, Fronted
from serving.given import Given
from serving.listed import Listed
from serving.models import Models
from serving.question import Question
from serving.recommend import ranked, recommend
from serving.settings import Serving
from training.affinity.display import Display
from training.affinity.recalled import Recalled
from training.affinity.recommender import Recommender
from training.affinity.safety import REASONS

OLD = (
    "it was recorded before lists could be made again: neither the length asked for nor the catalogue read is on record"
)
_TAKEN = "the candidates, their order and the ranker's rows of what is shown were taken from the record"
_OTHERS = "touches that popularity was made of are no longer stored ({} of {} are), as after an erasure: " + _TAKEN
_OWN = f"the patient's events were erased: the consent, what was withheld, {_TAKEN}"
_ACUTE = "signs of acute illness were not looked for again: the patient's events were erased"


def relist(
    header: Mapping[str, Any], recorded: Mapping[str, Any], models: Models | None, store: EventStore, rules: Serving
) -> tuple[Listed | None, str | None]:
    """Return the list made again, if it can be, and what of it was not made again but taken from the record.

    Parameters
    ----------
    header, recorded
        Of a ledger entry of kind ``list``: its header and payload.
    models
        The recorded model, for a personal list.

    Raises
    ------
    ExplanationFault
        An explanation does not add up.
    """
    if "contents_seq" not in header:
        return None, OLD
    given, listed = _given(header, recorded, models, store, rules), header["outcome"] == "listed"
    if not given.question.known:
        return recommend(given), None
    gone = not any(table.num_rows for table in given.tables.values())
    if gone and not listed and not given.sealed:
        return None, None
    if models is None or not listed:
        return recommend(given), _ACUTE if gone and listed else None
    assert models.recommender is not None
    told, at = recorded["popularity"], instants.parse(recorded["popularity_at"])
    fronted = Front(models.recommender).now(store, given.items, at, told["upto"])
    if not gone and fronted.touches >= told["touches"]:
        return recommend(replace(given, fronted=lambda: fronted)), None
    again = replace(fronted, touches=told["touches"], digest=told["digest"])
    recalled = _recalled(recorded, models.recommender)
    if not gone:
        found = recommend(replace(given, fronted=lambda: again, recalled=recalled))
        return found, _OTHERS.format(fronted.touches, told["touches"])
    consent = Standing(None, header["consent_id"], header["notice"])
    verdict = _verdict(again.display, recorded["excluded_items"])
    shown = recalled.listed(models.recommender, again.display, verdict)
    return ranked(given, consent, shown, again.record()), _OWN


def _given(
    header: Mapping[str, Any], recorded: Mapping[str, Any], models: Models | None, store: EventStore, rules: Serving
) -> Given:
    """Read again what was read then."""
    asker = Principal(
        header["principal"], header["role"], frozenset(), frozenset({header["purpose"]}), header["department"]
    )
    at, now = instants.parse(header["as_of"]), instants.parse(header["recorded_at"])
    patient_id, known = recorded["patient_id"], header["subject"] is not None
    question = Question(patient_id, (header["task"],), header["purpose"], at, now, asker, known=known)
    upto, items = header["store_seq"], stood(store, header["contents_seq"])

    def fronted() -> Fronted:
        """Return what a refusal did not look at: needed only where it is none any more."""
        assert models is not None and models.recommender is not None
        return Front(models.recommender).now(store, items, at, upto)

    return Given(
        question,
        header["k"],
        header["channel"],
        header["personalised"],
        rules,
        upto,
        store.tables(patient_id, upto=upto) if known else {},
        header["outcome"] == "sealed",
        items,
        header["contents_seq"],
        models,
        fronted,
        recorded.get("exploring", {}).get("seed", 0),
    )


def _recalled(recorded: Mapping[str, Any], recommender: Recommender) -> Recalled:
    exploring, groups = recorded["exploring"], recommender.together.players
    shape = (len(recorded["items"]), len(recommender.scorer.spec.names))
    return Recalled(
        tuple(item["content_id"] for item in recorded["items"]),
        np.array(recorded["rows"], dtype=float).reshape(shape),
        np.array([recorded["mean"][group] for group in groups], dtype=float),
        tuple(recorded["eligible"]),
        tuple(exploring["sampled"]),
        np.array([item["propensity"] for item in recorded["items"]], dtype=float),
        exploring["slot"],
        exploring["explored"],
        exploring["seed"],
    )


def _verdict(display: Display, withheld: list[dict[str, str]]) -> np.ndarray:
    """Return (items,) the reasons as recorded, as `Gate.verdict` tells them."""
    found = np.full(len(display.items), -1, dtype=np.int8)
    codes = {name: code for code, name in enumerate(REASONS)}
    for each in withheld:
        if each["content_id"] in display.place:
            found[display.place[each["content_id"]]] = codes[each["why"]]  # type: ignore[index]
    return found
