"""Tags and tiers: every rule at its boundary, overlap, 未定, and since when each holds. Reads as documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features import instants
from features.instants import DAY
from features.schema import table
from features.tagging.table import lines
from features.tagging.tag import Tag
from features.tags import Profile, Tags, tags

AT = instants.parse("2025-06-30T08:00:00+08:00")
ALL = tags()
NONE = float("nan")


def asked(**columns: float | str | None) -> dict[str, Any]:
    """Judge one patient of whom only these features are known; return what holds."""
    known: dict[str, np.ndarray] = {name: np.array([NONE]) for name in ALL.rules.names(None)}
    for name in ("region", "topic_read", "format_read", "hours_active"):
        known[name] = np.array([None], dtype=object)
    known["at"] = np.array([AT])
    unknown = set(columns) - set(known)
    assert not unknown, unknown
    known |= {
        name: np.array([value], dtype=None if isinstance(value, int | float) else object)
        for name, value in columns.items()
    }
    found = ALL.rules.judged(known, ALL.rules.names(None), 1)
    return {name: values[0] for name, values in found.items() if values[0] is not None}


RULES = [
    ("age_band", {"age_years": 13.999}, "<14"),
    ("age_band", {"age_years": 14.0}, "14-17"),
    ("age_band", {"age_years": 17.99}, "14-17"),
    ("age_band", {"age_years": 18.0}, "18-44"),
    ("age_band", {"age_years": 60.0}, "60-74"),
    ("age_band", {"age_years": 75.0}, "75+"),
    ("age_band", {"age_years": NONE}, None),
    ("sex", {"sex_male": 1.0}, "male"),
    ("sex", {"sex_male": 0.0}, "female"),
    ("sex", {"sex_male": NONE}, None),
    ("region", {"region": "110105"}, "110105"),
    ("insurance", {"insurance_employee": 1.0, "insurance_corporate": 0.0}, "employee"),
    ("insurance", {"insurance_employee": 1.0, "insurance_corporate": 1.0}, "corporate"),
    ("insurance", {"insurance_resident": 0.0}, None),
    ("registered_since", {"tenure_days": 30.0}, "2025-05-31"),
    ("diabetes", {"diagnosis_diabetes": 1.0}, True),
    ("diabetes", {"diagnosis_diabetes": 0.0}, None),
    ("diabetes", {"diagnosis_diabetes": NONE}, None),
    ("glycaemic_control", {"diagnosis_diabetes": 1.0, "hba1c_last_12m": 6.99}, "met"),
    ("glycaemic_control", {"diagnosis_diabetes": 1.0, "hba1c_last_12m": 7.0}, "not_met"),
    ("glycaemic_control", {"diagnosis_diabetes": 1.0}, None),
    ("glycaemic_control", {"diagnosis_diabetes": 0.0, "hba1c_last_12m": 6.0}, None),
    (
        "pressure_control",
        {"diagnosis_hypertension": 1.0, "systolic_last_12m": 139.9, "diastolic_last_12m": 89.9},
        "met",
    ),
    ("pressure_control", {"diagnosis_hypertension": 1.0, "systolic_last_12m": 140.0}, "not_met"),
    ("pressure_control", {"diagnosis_hypertension": 1.0, "diastolic_last_12m": 90.0}, "not_met"),
    ("pressure_control", {"diagnosis_hypertension": 1.0, "systolic_last_12m": 120.0}, None),
    ("disease_stage", {"chronic_ever": 1.0, "admitted_now": 1.0}, "acute"),
    ("disease_stage", {"chest_pain_days_since": 6.99}, "acute"),
    ("disease_stage", {"chest_pain_days_since": 7.0}, None),
    ("disease_stage", {"chronic_ever": 1.0, "emergency_days_since": 7.0}, "stable"),
    ("disease_stage", {"chronic_ever": 0.0}, None),
    ("hypertension_high_risk", {"bmi": 28.0, "family_hypertension": 1.0}, True),
    ("hypertension_high_risk", {"bmi": 27.99, "family_hypertension": 1.0}, None),
    ("hypertension_high_risk", {"bmi": 28.0, "family_hypertension": 0.0}, None),
    ("hypertension_high_risk", {"bmi": 28.0}, None),
    ("breast_cancer_raised_risk", {"parity_last": 0.0, "breast_hyperplasia": 1.0}, True),
    ("breast_cancer_raised_risk", {"parity_last": 1.0, "breast_hyperplasia": 1.0}, None),
    ("breast_cancer_raised_risk", {"breast_hyperplasia": 1.0}, None),
    ("life_stage", {"pregnancy_days_since": 293.9}, "pregnancy"),
    ("life_stage", {"pregnancy_days_since": 294.0}, None),
    ("life_stage", {"pregnancy_days_since": 60.0, "postpartum_days_since": 20.0}, "postpartum"),
    ("life_stage", {"preconception_days_since": 200.0, "pregnancy_days_since": 20.0}, "pregnancy"),
    ("life_stage", {"menopause_days_since": 729.0}, "menopause"),
    ("postoperative", {"postoperative_days_since": 89.9}, True),
    ("postoperative", {"postoperative_days_since": 90.0}, None),
    ("first_visit", {"visit_count_180d": 1.0}, True),
    ("first_visit", {"visit_count_180d": 2.0}, None),
    ("first_visit", {"visit_count_180d": 0.0}, None),
    ("revisiting", {"visit_count_90d": 2.0}, True),
    ("revisiting", {"visit_count_90d": 1.0}, None),
    ("left_for_elsewhere", {"left_now": 1.0}, True),
    ("left_for_elsewhere", {"left_now": 0.0}, None),
    ("adherence", {"supply_coverage_90d": 0.8, "supply_days_since": 3.0}, "good"),
    ("adherence", {"supply_coverage_90d": 0.79, "supply_days_since": 3.0}, "partial"),
    ("adherence", {"supply_coverage_90d": 0.49, "supply_days_since": 3.0}, "poor"),
    ("adherence", {"supply_coverage_90d": 0.0}, None),
    ("adherence", {"supply_coverage_90d": 0.0, "supply_days_since": 365.0}, None),
    ("channel_preference", {"app_share_90d": 0.2, "wechat_share_90d": 0.5}, "wechat"),
    ("channel_preference", {"app_share_90d": 0.49, "wechat_share_90d": 0.3}, None),
    ("format_preference", {"format_read": "short_video"}, "short_video"),
    ("active_hours", {"hours_active": "evening"}, "evening"),
    ("spend_band", {"fee_sum_365d": 5000.0}, "middle"),
    ("spend_band", {"fee_sum_365d": 5000.01}, "high"),
    ("spend_band", {"fee_sum_365d": 1000.0}, "low"),
    ("spend_band", {"fee_sum_365d": 0.0}, None),
    ("spend_band", {"fee_sum_365d": NONE}, None),
    ("topic_sought", {"topic_read": "diet"}, "diet"),
    ("information_habit", {"view_count_30d": 4.0, "view_count_90d": 9.0}, "regular"),
    ("information_habit", {"view_count_30d": 3.0, "view_count_90d": 3.0}, "occasional"),
    ("information_habit", {"view_count_30d": 0.0, "view_count_90d": 0.0}, None),
    ("initiative", {"search_count_90d": 2.0, "social_count_90d": 1.0}, "proactive"),
    ("initiative", {"search_count_90d": 2.0, "social_count_90d": 0.0}, None),
    ("initiative", {"online_count_90d": 0.0, "contact_count_90d": 1.0}, "passive"),
]


@pytest.mark.parametrize(("tag", "columns", "value"), RULES)
def test_a_rule_at_its_boundary(tag: str, columns: dict[str, float], value: object) -> None:
    assert asked(**columns).get(tag) == value


def test_every_tag_is_specified_here_or_is_a_disease_on_record() -> None:
    listed = {each.code for each in ALL.tags if each.needs != (f"diagnosis_{each.code}",)}
    assert listed == {name for name, _, _ in RULES} - {"diabetes"}


# online actions, visits in person, use of health tools -> tier
ACTIVITY = [
    (0, 0, 0.0, "basic_layer"),
    (2, 0, 1.0, "basic_layer"),
    (3, 0, 1.0, "undetermined"),
    (4, 0, 0.0, "undetermined"),
    (5, 0, 0.0, "active_layer"),
    (0, 1, 0.0, "active_layer"),
    (4, 1, 0.9, "active_layer"),
    (9, 2, 0.69, "active_layer"),
    (0, 2, 0.7, "value_layer"),
    (9, 9, 1.0, "value_layer"),
    (0, 2, NONE, "active_layer"),
    (NONE, 0, 0.0, "undetermined"),
    (NONE, 1, 0.0, "active_layer"),
    (NONE, NONE, NONE, "undetermined"),
]


@pytest.mark.parametrize(("online", "offline", "tools", "tier"), ACTIVITY)
def test_an_activity_tier(online: float, offline: float, tools: float, tier: str) -> None:
    known = {"online_count_90d": online, "offline_visit_count_90d": offline, "health_tool_use_90d": tools}
    assert asked(**known)["activity"] == tier


VALUE = [
    ({"fee_sum_365d": 5000.0}, {"value_undetermined"}),
    ({"fee_sum_365d": 5000.01}, {"high_value"}),
    ({"insurance_corporate": 1.0}, {"high_value"}),
    ({"consultation_count_365d": 12.0}, {"high_value"}),
    ({"consultation_count_365d": 11.0}, {"value_undetermined"}),
    ({"consultation_count_365d": 3.0}, {"value_undetermined"}),
    ({"consultation_count_365d": 2.0}, {"low_activity"}),
    ({"consultation_count_365d": 0.0}, {"low_activity"}),
    ({"chronic_ever": 1.0, "active_care_plan": 0.0, "visit_count_180d": 1.0}, {"potential"}),
    ({"chronic_ever": 0.0, "active_care_plan": 1.0, "visit_count_180d": 0.0}, {"potential"}),
    ({"chronic_ever": 1.0, "active_care_plan": 0.0, "visit_count_180d": 2.0}, {"value_undetermined"}),
    ({"chronic_ever": 0.0, "active_care_plan": 0.0, "visit_count_180d": 0.0}, {"value_undetermined"}),
    ({"login_days_since": 30.0}, {"churn_risk"}),
    ({"login_days_since": 29.99}, {"value_undetermined"}),
    ({"revisit_overrun": 1.5}, {"churn_risk"}),
    ({"revisit_overrun": 1.49}, {"value_undetermined"}),
    ({"fee_sum_365d": 9000.0, "login_days_since": 40.0}, {"high_value", "churn_risk"}),
]


@pytest.mark.parametrize(("columns", "tiers"), VALUE)
def test_value_tiers_overlap_or_are_undetermined(columns: dict[str, float], tiers: set[str]) -> None:
    names = {each.code for each in ALL.value} | {"value_undetermined"}
    assert set(asked(**columns)) & names == tiers


def events(name: str, *rows: dict[str, Any]) -> pa.Table:
    """Return rows of one patient: ``ago`` days before, known at once unless ``known`` says later."""
    told = []
    for number, given in enumerate(rows):
        row = dict(given)
        ago, known = row.pop("ago"), row.pop("known", None)
        time = AT - round(ago * DAY)
        stamped = time if known is None else AT - round(known * DAY)
        told.append(
            {
                "patient_id": "p",
                "event_id": f"{name}-{number}",
                "time": time,
                "known_at": stamped,
                "version": 1,
                "void": False,
            }
            | row
        )
    return pa.Table.from_pylist(told, schema=table(name).arrow())


CONTENTS = pa.Table.from_pylist(
    [
        {"content_id": "a", "topics": ["diet"], "format": "article", "sensitive": False},
        {"content_id": "b", "topics": ["diet", "heart"], "format": "short_video", "sensitive": False},
    ],
    schema=table("contents").arrow(),
)


def profile(purpose: str | None = None, **tables: pa.Table) -> Profile:
    return ALL.profile(tables, CONTENTS, "p", AT, purpose)


def held(found: Profile) -> dict[str, tuple[object, float]]:
    """Return code -> (value, days ago since when)."""
    return {each.tag.code: (each.value, round((AT - each.since) / DAY, 4)) for each in found.tags}


def tiered(found: Profile) -> dict[str, float]:
    return {each.code: round((AT - each.since) / DAY, 4) for each in found.tiers}


def visit(ago: float, **more: Any) -> dict[str, Any]:
    return {"ago": ago, "kind": "outpatient", "status": "finished"} | more


def test_what_was_read_about_is_what_stood_then() -> None:
    """Item a was about sleep, as a comic, when it was read; what nobody knew then is what is known now."""
    acts = events("interactions", *({"ago": ago, "action": "view", "content_id": "a"} for ago in (3, 5, 8)))
    assert held(profile(interactions=acts))["topic_sought"][0] == "diet"
    then = acts.append_column("content_topics", pa.array([["sleep"]] * 3))
    found = held(profile(interactions=then.append_column("content_format", pa.array(["comic", "comic", "comic"]))))
    assert (found["topic_sought"][0], found["format_preference"][0]) == ("sleep", "comic")
    later = acts.append_column("content_topics", pa.nulls(3, pa.list_(pa.string())))
    assert held(profile(interactions=later))["topic_sought"][0] == "diet"


def test_since_is_when_the_event_became_known() -> None:
    found = held(
        profile(diagnoses=events("diagnoses", {"ago": 100, "known": 90, "code_system": "ICD-10", "code": "E11"}))
    )
    assert found["diabetes"] == (True, 90)


def test_since_is_when_an_event_left_the_window() -> None:
    found = tiered(
        profile(
            encounters=events("encounters", visit(150)),
            interactions=events("interactions", {"ago": 400, "action": "view"}),
        )
    )
    assert found["basic_layer"] == 150 - 90
    assert held(profile(encounters=events("encounters", visit(200), visit(150))))["first_visit"] == (True, 20)


def test_since_is_when_an_age_was_crossed() -> None:
    login = events("interactions", {"ago": 47.25, "action": "login", "channel": "app"})
    assert tiered(profile(interactions=login))["churn_risk"] == 17.25


def test_since_counts_from_the_last_interruption() -> None:
    logins = events("interactions", *({"ago": ago, "action": "login", "channel": "app"} for ago in (200, 100, 45)))
    assert tiered(profile(interactions=logins))["churn_risk"] == 15


def test_since_of_a_ratio_that_grows_is_found_between_events() -> None:
    people = events("patients", {"ago": 1000, "registered_at": AT - 1000 * DAY})
    visits = events("encounters", *(visit(ago) for ago in (400, 300, 200)))
    found = tiered(profile(patients=people, encounters=visits))
    # three contacts in 730 days: 1.5 times the interval of 243.3 days is overrun after 365 days; 2 are missing
    assert "churn_risk" not in found
    late = {"patients": people, "encounters": events("encounters", *(visit(ago) for ago in (600, 500, 400)))}
    assert tiered(profile(**late))["churn_risk"] == pytest.approx(400 - 365, abs=2e-5)


def test_a_value_of_a_tag_has_its_own_since() -> None:
    hba1c = [
        {"code_system": "LOINC", "code": "4548-4", "unit": "%"} | each
        for each in ({"ago": 200, "value": 8.0}, {"ago": 30, "value": 6.5})
    ]
    sick = events("diagnoses", {"ago": 900, "code_system": "ICD-10", "code": "E11"})
    assert held(profile(diagnoses=sick, observations=events("observations", *hba1c)))["glycaemic_control"] == (
        "met",
        30,
    )


def test_a_void_or_later_version_ends_a_tag() -> None:
    rows = events(
        "diagnoses",
        {"ago": 100, "code_system": "ICD-10", "code": "E11", "event_id": "d"},
        {"ago": 100, "known": 10, "code_system": "ICD-10", "code": "E11", "event_id": "d", "version": 2, "void": True},
    )
    assert "diabetes" not in held(profile(diagnoses=rows))


def test_what_is_read_names_topic_format_and_hours() -> None:
    # 08:00 in Beijing less a third of a day is midnight; a quarter later it is morning
    read = [
        {"ago": ago, "action": "view", "channel": "app", "content_id": item}
        for ago, item in ((3.9, "a"), (2.9, "a"), (1.9, "b"), (0.2, "b"))
    ]
    found = held(profile(interactions=events("interactions", *read)))
    assert found["topic_sought"] == ("diet", 1.9)
    assert "format_preference" not in found, "two of each are too few"
    sensitive = CONTENTS.set_column(CONTENTS.column_names.index("sensitive"), "sensitive", pa.array([True, None]))
    told = ALL.profile({"interactions": events("interactions", *read)}, sensitive, "p", AT, None)
    assert "topic_sought" not in held(told)
    assert found["active_hours"] == ("morning", 1.9)


def test_the_region_is_the_latest_that_is_known() -> None:
    people = events(
        "patients",
        {"ago": 900, "region_code": "110105", "event_id": "x"},
        {"ago": 900, "known": 40, "region_code": "310101", "event_id": "x", "version": 2},
    )
    assert held(profile(patients=people))["region"] == ("310101", 40)


def test_a_purpose_sees_only_what_its_features_allow() -> None:
    tables = {
        "patients": events("patients", {"ago": 900, "sex": "female", "insurance": "corporate"}),
        "encounters": events("encounters", visit(10, fee=6000.0)),
        "diagnoses": events("diagnoses", {"ago": 100, "code_system": "ICD-10", "code": "E11"}),
    }
    care, market = profile("care_followup", **tables), profile("service_marketing", **tables)
    assert {"diabetes", "sex"} <= set(held(care)) and "spend_band" not in held(care)
    assert "spend_band" in held(market) and not {"diabetes", "sex"} & set(held(market))
    for purpose in ("care_followup", "service_marketing"):
        named = [each.tag for each in profile(purpose, **tables).tags]
        assert all(each.allowed(ALL.rules.names(purpose)) for each in named)


def test_spend_marks_a_tier_for_review_only_where_it_decides() -> None:
    def high(**insurance: str) -> bool:
        found = profile(
            "service_marketing",
            patients=events("patients", {"ago": 900} | insurance),
            encounters=events("encounters", visit(10, fee=6000.0)),
        )
        return next(each.review for each in found.tiers if each.code == "high_value")

    assert high() is True
    assert high(insurance="corporate") is False
    found = profile("care_followup", encounters=events("encounters", visit(10, fee=6000.0)))
    assert "high_value" not in tiered(found)


def test_a_version_follows_the_threshold_and_nothing_else() -> None:
    stricter = Tags(ALL.values.model_copy(update={"hba1c_below": 6.5}))

    def versions(of: Tags) -> dict[str, str]:
        return {each.code: of.versions[each.code] for each in of.tags}

    changed = {code for code, version in versions(stricter).items() if versions(ALL)[code] != version}
    assert changed == {"glycaemic_control"}


def test_codes_are_unique_and_named_in_both_languages() -> None:
    every: tuple[Tag, ...] = (*ALL.tags, *ALL.activity, *ALL.value)
    assert len({each.code for each in every}) == len(every)
    assert all(each.zh != each.en and each.zh and each.en for each in every)
    assert {each.layer for each in ALL.tags} == {"basic", "health", "behaviour", "need"}
    assert all(ground.rule_zh and ground.rule_en for each in every for ground in each.grounds)


def test_of_a_patient_without_events_only_absence_is_said() -> None:
    found = profile()
    assert held(found) == {}
    assert set(tiered(found)) == {"basic_layer", "low_activity"}


def test_where_nobody_watched_nothing_is_said_but_that_it_is_undetermined() -> None:
    nobody = pa.table({"patient_id": ["other"], "table": ["diagnoses"]})
    assert set(tiered(profile(observed=nobody))) == {"undetermined", "value_undetermined"}


def test_the_documented_table_is_the_one_in_force(project: Path) -> None:
    told = (project / "docs" / "tags.md").read_text(encoding="utf-8")
    assert told.partition("thresholds in force.\n\n")[2].strip() == "\n".join(lines()).strip()
