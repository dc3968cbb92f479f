"""What every registered group and derived feature must keep to."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

import features
from features import Derived, FeatureGroup
from features.describe import page
from features.groups import CATALOGUE, CLINICAL_GROUPS, FEEDING, MATERIAL, TESTED
from features.groups.eligibility import PURPOSES
from features.lake import Lake
from features.params import general
from features.schema import EVENT_TABLES

MARKER = "<!-- python -m features describe --markdown -->"
GROUPS = tuple(each for each in CATALOGUE if isinstance(each, FeatureGroup))
DERIVED = tuple(each for each in CATALOGUE if isinstance(each, Derived))
NAMES = [name for group in GROUPS for name in group.features] + [each.name for each in DERIVED]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_a_group_says_what_it_is_for(group: FeatureGroup) -> None:
    assert set(group.purposes) <= set(general().purposes)
    assert len(group.why.split()) >= 4, "a reason that a compliance reviewer can judge"
    assert group.clinical_group in CLINICAL_GROUPS
    assert len(group.doc.split()) >= 4


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_spend_and_protected_attributes_stay_out_of_churn(group: FeatureGroup) -> None:
    if group.clinical_group == "fees":
        assert group.purposes == ("service_marketing",)
    if group.clinical_group in {"age", "sex", "region", "insurance", "fees"}:
        assert group.protected
    if group.clinical_group in {"visits", "revisit_interval", "no_shows", "adherence", "online_activity", "reading"}:
        assert not group.protected, "what churn rests on carries no protected attribute"


@pytest.mark.parametrize("each", DERIVED, ids=lambda each: each.name)
def test_a_derived_feature_reads_what_is_declared_and_is_named(each: Derived) -> None:
    assert set(each.inputs) <= set(NAMES)
    assert each.label_zh != each.name and each.label_en != each.name


def test_names_are_unique() -> None:
    assert [name for name, times in Counter(NAMES).items() if times > 1] == []
    assert [name for name, times in Counter(group.name for group in GROUPS).items() if times > 1] == []


def test_every_event_table_but_consents_feeds_the_catalogue() -> None:
    assert {group.source for group in GROUPS} == set(EVENT_TABLES) - {"consents"}


def test_eligibility_may_be_asked_for_every_purpose() -> None:
    assert set(PURPOSES) == set(general().purposes)
    assert {group.purposes for group in GROUPS if group.clinical_group == "eligibility"} == {PURPOSES}


def test_the_features_that_say_only_that_a_test_was_done_are_listed() -> None:
    laboratory = [group for group in GROUPS if group.source == "observations" and group.clinical_group != "smoking"]
    tested = {
        name
        for group in laboratory
        for name, reduction in group.features.items()
        if reduction.kind in {"count", "days_since", "exists"} and group.clinical_group != "home_monitoring"
    }
    assert tested == TESTED


def test_material_feeds_derived_features() -> None:
    assert {name for each in DERIVED for name in each.inputs} >= FEEDING
    assert set(NAMES) >= MATERIAL


def test_the_catalogue_holds_what_was_asked_for() -> None:
    assert len(NAMES) >= 200


def test_the_page_of_the_catalogue_is_current(project: Path) -> None:
    """Else: ``python -m features describe --markdown``, in place of what follows the marker."""
    generated = (project / "docs" / "catalogue.md").read_text(encoding="utf-8").partition(MARKER)[2]
    assert generated.strip().splitlines() == list(page(CATALOGUE))


def test_a_lake_without_any_table_still_builds(tmp_path: Path) -> None:
    landmarks = pd.DataFrame({"patient_id": ["nobody"], "at": [pd.Timestamp("2025-06-30", tz="UTC")]})
    vectors = features.build(Lake(tmp_path), landmarks)
    assert set(NAMES) <= set(vectors.columns)
    assert list(vectors["patient_id"]) == ["nobody"]
