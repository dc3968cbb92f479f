"""基础属性: who the patient is."""

from __future__ import annotations

import numpy as np

from features.instants import DAY, moment
from features.params import general
from features.tagging.tag import Ground, Tag, chosen
from features.tagging.values import TagValues

_BANDS = ((0, 14), (14, 18), (18, 45), (45, 60), (60, 75), (75, 200))
_NAMES = {"<14": ("14岁以下", "below 14")} | {
    f"{low}-{high - 1}": (f"{low}-{high - 1}岁", f"{low} to {high - 1}") for low, high in _BANDS[1:-1]
}
AGE_BANDS = {**_NAMES, "75+": ("75岁及以上", "75 and older")}
INSURANCE = {
    "corporate": ("企业客户", "paid by an employer"),
    "employee": ("职工医保", "employee insurance"),
    "resident": ("居民医保", "resident insurance"),
    "self_pay": ("自费", "pays without insurance"),
}


def _band(age_years: np.ndarray) -> np.ndarray:
    named = zip(_BANDS, AGE_BANDS)
    return chosen(*(((age_years >= low) & (age_years < high), name) for (low, high), name in named))


def _sex(sex_male: np.ndarray) -> np.ndarray:
    return chosen((sex_male == 1, "male"), (sex_male == 0, "female"))


def _insurance(*kinds: np.ndarray) -> np.ndarray:
    return chosen(*((kind == 1, name) for kind, name in zip(kinds, INSURANCE)))


def _registered(tenure_days: np.ndarray, at: np.ndarray) -> np.ndarray:
    zone, found = general().zone, np.full(len(at), None, dtype=object)
    for row in np.flatnonzero(tenure_days >= 0):
        found[row] = moment(int(at[row]) - round(float(tenure_days[row]) * DAY)).astimezone(zone).date().isoformat()
    return found


def basic(_values: TagValues) -> tuple[Tag, ...]:
    """Return the tags of the layer."""
    return (
        Tag(
            "age_band",
            "年龄段",
            "age band",
            "basic",
            (Ground(("age_years",), _band, "按周岁分段", "by age in years"),),
            words=AGE_BANDS,
            edges=tuple(low * 365.25 for low, _ in _BANDS[1:]),
        ),
        Tag(
            "sex",
            "性别",
            "sex",
            "basic",
            (Ground(("sex_male",), _sex, "按档案", "as on record"),),
            static=True,
            words={"female": ("女", "female"), "male": ("男", "male")},
        ),
        Tag(
            "region",
            "地区",
            "region",
            "basic",
            (Ground(("region",), lambda region: region, "档案区县代码 (GB/T 2260)", "county on record, GB/T 2260"),),
            static=True,
        ),
        Tag(
            "insurance",
            "医保类型",
            "insurance",
            "basic",
            (
                Ground(
                    tuple(f"insurance_{name}" for name in INSURANCE),
                    _insurance,
                    "按档案",
                    "as on record",
                ),
            ),
            static=True,
            words=INSURANCE,
        ),
        Tag(
            "registered_since",
            "注册时间",
            "registered since",
            "basic",
            (Ground(("tenure_days", "at"), _registered, "首次登记日期", "day of the first registration"),),
            static=True,
        ),
    )
