"""Safety over a generated catalogue of 10,000 items and 5,000 patients: no breach with the filters, many without."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from features.instants import DAY
from tests.training.toys import NOW, catalogue, readership, recommender
from training.affinity.item import Item
from training.affinity.safety import REASONS, Gate, Reader

ITEMS, PATIENTS, ASKED = 10_000, 5_000, 60
CONDITIONS = ("diabetes", "chronic_kidney_disease", "pregnancy", "heart_failure", "antidiabetics", "N18.4", "E11.9")

DOUBTED = {"N18.4": "chronic_kidney_disease"}
"""Codes that may be meant by what the hospital says in a codelist alone."""


def breaches(item: Item, reader: Reader) -> set[str]:
    """Say in DOMAIN's words, independently of the filters, what is wrong with showing an item to somebody."""
    found = set()
    if item.published_at is None or item.published_at > NOW:
        found.add("not_published")
    if len({each.strip() for each in item.reviewers} - {""}) < 3:
        found.add("not_reviewed")
    if item.expires_at is None or item.expires_at <= NOW:
        found.add("expired")
    if re.search("治愈率|有效率|最|第一", item.title):
        found.add("wording")
    if item.min_age and (reader.age is None or reader.age < item.min_age):
        found.add("age")
    doubted = {code for code, named in DOUBTED.items() if named in reader.conditions}
    if item.contraindications & {"unheard_of", *doubted, *reader.conditions}:
        found.add("contraindicated")
    if item.sensitive is not False and not reader.sensitive_consent:
        found.add("sensitive")
    return found


def readers(count: int) -> list[Reader]:
    rng = np.random.default_rng(3)
    return [
        Reader(
            None if rng.random() < 0.05 else float(rng.integers(1, 95)),
            frozenset(rng.choice(CONDITIONS, rng.integers(0, 4), replace=False).tolist()),
            bool(rng.random() < 0.2),
        )
        for _ in range(count)
    ]


@pytest.mark.slow
def test_nothing_unsafe_passes_the_filters_and_much_does_without_them() -> None:
    items = catalogue(ITEMS)
    gate = Gate(items)
    rng = np.random.default_rng(4)
    passed = reasons = unfiltered = 0
    for reader in readers(PATIENTS):
        verdict = gate.verdict(reader, NOW)
        open_to = np.flatnonzero(verdict < 0)
        assert len(open_to) > 100
        for place in rng.choice(open_to, 10, replace=False):
            passed += bool(breaches(items[place], reader))
        for place in rng.choice(np.flatnonzero(verdict >= 0), 10, replace=False):
            reasons += REASONS[verdict[place]] in breaches(items[place], reader)
        unfiltered += sum(bool(breaches(items[place], reader)) for place in rng.choice(ITEMS, 10, replace=False))
    assert passed == 0
    assert reasons == 10 * PATIENTS
    assert unfiltered > PATIENTS


def test_lists_hold_nothing_unsafe_and_lists_without_filters_do() -> None:
    items = catalogue(2_000)
    made = recommender(readership(items, 300, 6_000))
    by_id = {item.content_id: item for item in items}
    blind = [
        replace(
            item,
            title="x",
            published_at=min(item.published_at or NOW, NOW) - 1,
            expires_at=NOW + DAY,
            reviewers=frozenset("abc"),
            contraindications=frozenset(),
            min_age=None,
            sensitive=False,
        )
        for item in items
    ]
    found = []
    for shown in (items, blind):
        display, breached = made.display(shown, NOW), 0
        for number, reader in enumerate(readers(ASKED)):
            read = [(items[place].content_id, NOW - DAY) for place in range(number % 7)]
            person = display.person(read, NOW, reader.age, reader.conditions)
            listed = made.recommend(display, person, reader, NOW, 10, number, explain=False)
            assert len(listed.items) == 10 and not set(listed.withheld) & set(listed.eligible)
            breached += sum(bool(breaches(by_id[item.content_id], reader)) for item in listed.items)
        found.append(breached)
    assert found[0] == 0 and found[1] > ASKED, found
