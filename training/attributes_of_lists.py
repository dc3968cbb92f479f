"""What a card states of a ranker of content, where the words for a risk do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from training.gates import parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def size(population: Mapping[str, Any]) -> str:
    """Return whom and what the ranker was learnt from and judged on."""
    people, items, days = (population.get(name, 0) for name in ("patients", "items", "user_days"))
    return f"{people:,} patients, {items:,} items" + (f", {days:,} user-days with something new opened" if days else "")


def judged(trust: Mapping[str, Any]) -> str:
    """Return the parts of the readers and items that lists are judged on apart."""
    ranking = trust.get("ranking")
    return f"judged apart: {', '.join(parts_of(ranking))}; see section ranking" if ranking else "not judged in this run"


HTI1 = {
    "5.i approach to fairness": "lists are judged apart by length of history and by condition on record; a gate warns "
    "where a part is served worse than by the reference",
    "5.ii approach to bias": "spend, sex, region and insurance never enter; age band and conditions enter by what "
    "patients alike read; what was read is not all that would be: one slot explores, and is logged with its propensity",
    "8.iii monitoring of fairness": "at every proposal, on the newest days, by the same parts",
    "9.i updates": "the state of the items daily, the ranker weekly, each a version with its own card",
}
"""Attributes of the rule in other words than those for a risk."""
TRIPOD_AI = {
    "3a context": "more is written for patients than anybody reads; a list is short",
    "6a setting": "one hospital's records: what was read, the catalogue of content, diagnoses, prescriptions",
    "8a outcome": "an item is opened for the first time, within a day of the list",
    "8b outcome assessors": "from the log of what was opened",
    "8c blinding": "not possible: what was shown decides what can be opened",
    "9c predictor assessors": "computed from the log and the catalogue",
    "11 missing data": "a null is an input of the trees; none is imputed",
    "12b predictors in the analysis": "raw, and as the rank among the person's own candidates",
    "12d heterogeneity": "by length of history and condition, new items and new readers apart",
    "12e performance measures": "NDCG@10, recall@20, coverage, novelty, topic calibration, every item ranked; paired "
    "bootstrap over patients; slope and O:E of the head",
    "12g model output": "an order; beside it probability = 1 / (1 + exp(-(A x margin + B))) of the head",
    "13 class imbalance": "items not opened are sampled, and weighed in the head by how many each stands for",
    "14 fairness": "parts of the readers against the same reference",
    "15 output": "a list, each item with reasons and the probability that it is opened; a medical filter before and "
    "after",
    "25 interpretation": "the order says what is likely to be opened, not what does a patient good",
    "26 limitations": "one hospital; learnt from what was shown; opening is not understanding",
    "27a poor input": "an unknown patient or one without history gets a list by age, conditions and what is read now",
    "27b user interaction": "no expertise to read a list; a reviewer sees every item withheld and its reason",
    "27c next steps": "a trial of its use; policies compared on logged lists",
}
"""Items of the checklist in other words than those for a risk."""
