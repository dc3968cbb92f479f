"""Criteria that several cohorts share, over the eligibility features of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from training.cohort import Columns, Criterion, is_true

ALIVE = Criterion("alive", ("deceased_ever",), lambda c: ~is_true(c["deceased_ever"]), "已故", "the patient has died")
SEXED = Criterion(
    "sex on record",
    ("sex_male",),
    lambda c: ~np.isnan(c["sex_male"]),
    "性别未知",
    "the sex is not on record",
    "outside_population",
)
STAYED = Criterion(
    "has not left",
    ("left_now",),
    lambda c: ~is_true(c["left_now"]),
    "已转出、迁走或退订",
    "the patient was transferred, moved away or opted out",
)
NOT_ADMITTED = Criterion(
    "not in hospital", ("admitted_now",), lambda c: ~is_true(c["admitted_now"]), "住院中", "the patient is in hospital"
)
SEEN_THIS_YEAR = Criterion(
    "a qualifying contact in the past year",
    ("finished_contacts_365d",),
    lambda c: c["finished_contacts_365d"] >= 1,
    "近一年无有效接触",
    "no qualifying contact in the past year",
)
ONLINE = Criterion(
    "active on line in the past 90 days",
    ("online_count_90d",),
    lambda c: c["online_count_90d"] >= 1,
    "近90天无线上行为",
    "nothing done on line in the past 90 days",
)
DISCHARGED = Criterion(
    "discharged within a week",
    ("stay_end_days_since",),
    lambda c: (c["stay_end_days_since"] >= 0) & (c["stay_end_days_since"] <= 7),
    "近7天内无出院记录",
    "no discharge within the past week",
)
SEEN = Criterion(
    "a qualifying contact in the past two years",
    ("finished_contacts_730d",),
    lambda c: c["finished_contacts_730d"] >= 1,
    "近两年无有效接触",
    "no qualifying contact in the past two years",
)
EXPECTED_BACK = Criterion(
    "expected back",
    ("active_care_plan", "chronic_ever", "finished_contacts_365d"),
    lambda c: is_true(c["active_care_plan"]) | is_true(c["chronic_ever"]) | (c["finished_contacts_365d"] >= 2),
    "无到期的随访计划、无慢性病且近一年接触不足两次（急性病已愈者不计流失）",
    "no care plan with a step due, no chronic disease, fewer than two contacts in a year: who recovered is not lost",
    rules=(
        ("care plan", lambda c: is_true(c["active_care_plan"])),
        ("chronic disease", lambda c: is_true(c["chronic_ever"])),
        ("two contacts in a year", lambda c: c["finished_contacts_365d"] >= 2),
    ),
)


def aged(lowest: float, highest: float) -> Criterion:
    """Return the criterion that keeps ages of [lowest, highest]; an unknown age is outside."""
    return Criterion(
        f"age {lowest:g} to {highest:g}",
        ("age_years",),
        lambda c: (c["age_years"] >= lowest) & (c["age_years"] <= highest),
        f"年龄未知或不在{lowest:g}至{highest:g}岁之间",
        f"the age is unknown or not from {lowest:g} to {highest:g}",
        "outside_population",
    )


def known_for(days: int) -> Criterion:
    """Return the criterion that a registration, where it is known, lies a look-back before the landmark."""
    return Criterion(
        f"known for {days} days",
        ("tenure_days",),
        lambda c: ~(c["tenure_days"] < days),
        f"登记不足{days}天",
        f"registered less than {days} days ago",
    )


def free_of(
    disease_zh: str,
    disease_en: str,
    features: tuple[str, ...],
    cuts: Mapping[str, float],
    floors: Mapping[str, float],
) -> Criterion:
    """Return the criterion that a disease is not on record yet.

    Parameters
    ----------
    features
        Indicators that it is (a code, a drug).
    cuts
        Feature -> least value at which it counts as present (a laboratory value).
    floors
        Feature -> value below which it counts as present.
    """

    def absent(columns: Columns) -> np.ndarray:
        found = [is_true(columns[name]) for name in features]
        found += [columns[name] >= cut for name, cut in cuts.items()]
        found += [columns[name] < cut for name, cut in floors.items()]
        return ~np.logical_or.reduce(found)

    return Criterion(
        f"no {disease_en} yet",
        (*features, *cuts, *floors),
        absent,
        f"已有{disease_zh}的诊断、用药或化验依据",
        f"{disease_en} is already on record by code, drug or laboratory value",
    )
