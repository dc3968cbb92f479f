"""Declarations are plain values: compared, hashed, and told in one canonical way."""

from __future__ import annotations

import pytest

from features.codes import codelist
from features.history import REDUCTIONS, Selection

HISTORY = Selection("observations")


def test_a_declaration_reads_nothing_and_changes_nothing() -> None:
    narrowed = HISTORY.coded("a").where(context="fasting").within(days=30).upcoming()
    assert Selection("observations") == HISTORY
    assert (narrowed.days, narrowed.ahead) == (30, True)
    assert narrowed == Selection("observations").coded("a").where(context="fasting").within(days=30).upcoming()


def test_the_definition_does_not_depend_on_the_order_of_words() -> None:
    one = HISTORY.coded("a", "b").where(context="x", origin="y").mean("value")
    other = HISTORY.where(origin="y").coded("b", "a").where(context="x").mean("value")
    assert one.definition() == other.definition()


def test_two_filters_by_code_are_not_one_filter_by_either() -> None:
    assert HISTORY.coded("a").coded("b").definition() != HISTORY.coded("a", "b").definition()


def test_a_label_is_no_part_of_a_definition() -> None:
    assert HISTORY.count().labelled(label_zh="次数") == HISTORY.count()
    assert HISTORY.count().labelled(label_zh="次数").definition() == HISTORY.count().definition()


def test_a_codelist_is_told_with_its_digest() -> None:
    hba1c = codelist("hba1c")
    told = HISTORY.coded(hba1c).last("value").definition()
    assert told["of"]["codes"] == [[{"codelist": "hba1c", "digest": hba1c.digest}]]


@pytest.mark.parametrize("kind", REDUCTIONS)
def test_every_reduction_is_a_word(kind: str) -> None:
    assert callable(getattr(HISTORY, kind))
