"""Reasons: reviewed, worded with care, chosen from what the model used."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from features.errors import InputError
from features.groups import CLINICAL_GROUPS
from serving.reasons import Choice, choose, group_names, read_templates, refusal, refusals, templates
from serving.scoring import reasons

HEADER = "id,version,group,direction,missing,audience,zh,en,author,reviewer,date\n"
GOOD = "age.raises.patient,1,age,raises,no,patient,模型依据年龄。,The model relied on age.,a,b,2026-01-31\n"
MODEL_GROUPS = tuple(group for group in CLINICAL_GROUPS if group != "eligibility")


@pytest.mark.parametrize(
    ("group", "direction", "audience", "missing"),
    itertools.product(MODEL_GROUPS, ("raises", "lowers"), ("patient", "staff"), (False, True)),
)
def test_every_clinical_group_has_a_reviewed_reason(group: str, direction: str, audience: str, missing: bool) -> None:
    template = templates().reason(group, direction, audience, missing=missing)
    assert template.author and template.reviewer and template.author != template.reviewer
    assert template.zh.startswith("模型依据") and template.en.startswith("The model relied on")


@pytest.mark.parametrize("group", MODEL_GROUPS)
def test_every_clinical_group_has_a_name_and_a_word_for_nothing_known(group: str) -> None:
    assert all(group_names()[group])
    assert templates().reason(group, "missing", "patient").code == f"{group}.missing"


def test_a_patient_is_told_no_value_and_staff_are_told_it() -> None:
    patient = templates().reason("glucose", "raises", "patient")
    assert patient.reason() == {
        "code": "glucose.raises",
        "zh": "模型依据血糖与糖化血红蛋白记录，该项推高了本次估计。",
        "en": "The model relied on blood sugar and HbA1c records; this raised the estimate.",
        "group": "glucose",
        "direction": "raises",
    }
    staff = templates().reason("glucose", "raises", "staff")
    words = {"label": "HbA1c", "value": "7.2 %", "window": "12 m", "date": "2025-06-01"}
    assert "HbA1c 7.2 % (12 m, 2025-06-01)" in staff.reason(words, words)["en"]
    with pytest.raises(InputError, match="nothing to put for date"):
        staff.reason({"label": "", "value": "", "window": ""}, words)


def test_an_old_version_is_found_beside_the_one_that_stands(tmp_path: Path) -> None:
    file = tmp_path / "templates.csv"
    newer = GOOD.replace("patient,1,", "patient,2,").replace("年龄", "年岁")
    file.write_text(HEADER + newer + GOOD, encoding="utf-8")
    read = read_templates(file)
    assert read.reason("age", "raises", "patient").version == 2
    assert read.find("age.raises.patient", 1).zh == "模型依据年龄。"


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        (",a,b,", ",a,,", "line 2: 'reviewer' is empty"),
        (",a,b,", ",,b,", "line 2: 'author' is empty"),
        ("2026-01-31", "January", "line 2: the date cannot be read"),
        ("relied on age", "raises it because of age", "line 2: 'because' claims too much"),
        ("on age", "on age and will fall", "line 2: 'will' claims too much"),
        ("模型依据", "最可靠的模型依据", "line 2: '最' claims too much"),
        ("模型依据", "治愈率高，模型依据", "line 2: '治愈率' claims too much"),
        ("on age", "on age {value}", "line 2: a placeholder that this audience may not see"),
        ("no,patient", "no,marketing", "line 2: no audience 'marketing'"),
        ("age.raises.patient", "age.up.patient", "line 2: the id is not 'age.raises.patient'"),
    ],
)
def test_a_template_that_was_not_reviewed_or_claims_too_much_does_not_load(
    tmp_path: Path, was: str, becomes: str, told: str
) -> None:
    file = tmp_path / "templates.csv"
    file.write_text(HEADER + GOOD, encoding="utf-8")
    read_templates(file)
    file.write_text(HEADER + GOOD.replace(was, becomes), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_templates(file)
    assert told in str(caught.value)


def test_the_strongest_adverse_driver_is_never_left_out() -> None:
    moved = {"visits": -0.9, "adherence": -0.8, "reading": -0.7, "tenure": -0.6, "feedback": 0.1, "care_plan": 0.05}
    chosen = [(choice.group, choice.direction) for choice in choose(moved, set(moved))]
    assert chosen == [("visits", "lowers"), ("adherence", "lowers"), ("reading", "lowers"), ("feedback", "raises")]


def test_only_groups_that_the_model_used_are_named() -> None:
    chosen = choose({"visits": 0.5, "fees": 2.0, "reading": 0.0}, {"visits", "reading"})
    assert [choice.group for choice in chosen] == ["visits"]


def test_a_score_without_any_movement_still_has_one_reason() -> None:
    assert [choice.group for choice in choose({"reading": 0.0, "visits": 0.0}, {"visits", "reading"})] == ["reading"]


def test_a_group_of_which_nothing_was_known_is_said_to_be_missing() -> None:
    (choice,) = choose({"glucose": 0.3}, {"glucose"}, {"glucose"})
    template = templates().reason(choice.group, choice.direction, "patient", missing=choice.missing)
    assert template.code == "glucose.raises.missing"
    assert template.reason()["direction"] == "raises"


def test_a_model_that_used_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="used none of the groups"):
        choose({"fees": 1.0}, set())


def test_every_refusal_of_the_interface_is_worded_in_both_languages() -> None:
    assert {code: each.action for code, each in refusals().items()} == {
        "no_consent": "ask_consent",
        "no_consent_for_feature_group": "ask_consent",
        "objected": "send_to_person",
        "acute_flag": "do_not_contact",
        "sealed": "do_not_contact",
        "unknown_patient": "none",
        "not_eligible": "none",
        "outside_population": "none",
        "stale": "retry_after_data",
        "exploratory_model": "none",
    }
    assert set(refusal("stale").answer()) == {"code", "message_zh", "message_en", "action"}
    with pytest.raises(InputError, match="did you mean 'objected'"):
        refusal("object")


def test_staff_are_told_the_day_of_the_hospitals_calendar() -> None:
    """A visit at half past midnight in Beijing was on that day, though UTC still has the one before."""
    value = {"feature": "fasting_glucose_last_12m", "group": "glucose", "value": 7.2, "unit": "mmol/L"}
    value |= {"label_zh": "空腹血糖", "label_en": "fasting glucose", "window_days": 365.0}
    value["time"] = "2025-06-09T16:30:00+00:00"
    fields = {
        "choices": [Choice("glucose", "raises", False)],
        "values": [value],
        "contributions": {value["feature"]: 0.3},
    }
    (reason,) = reasons(fields, "staff")
    assert "2025-06-10" in reason["zh"] and "2025-06-10" in reason["en"]
