"""When the medicines at home run out, class by class."""

from __future__ import annotations

import numpy as np

from features import derived, feature_group
from features.groups.medication import LONG_TERM
from features.history import Reduction, Selection


@feature_group(
    source="prescriptions",
    purposes=("care_followup", "health_education"),
    why="a reminder some days before a class runs out keeps a treatment going",
    clinical_group="adherence",
    actionable=True,
)
def run_out(history: Selection) -> dict[str, Reduction]:
    """The latest fill of each class of long-term medicines, and for how many days it was. Unit: d."""
    found: dict[str, Reduction] = {}
    for each in LONG_TERM:
        of = history.coded(each)
        found[f"{each.name}_fill_days_since"] = of.days_since()
        found[f"{each.name}_supply_last"] = of.last("days_supply")
    return found


@derived
def antidiabetics_days_left(
    antidiabetics_supply_last: np.ndarray, antidiabetics_fill_days_since: np.ndarray
) -> np.ndarray:
    """Days until the latest fill of antidiabetics runs out; negative since it has. Unit: d.

    label_zh: 降糖药剩余天数（负值为已断药）
    label_en: days until antidiabetics run out (negative: ran out)
    """
    return antidiabetics_supply_last - antidiabetics_fill_days_since


@derived
def antihypertensives_days_left(
    antihypertensives_supply_last: np.ndarray, antihypertensives_fill_days_since: np.ndarray
) -> np.ndarray:
    """Days until the latest fill of antihypertensives runs out; negative since it has. Unit: d.

    label_zh: 降压药剩余天数（负值为已断药）
    label_en: days until antihypertensives run out (negative: ran out)
    """
    return antihypertensives_supply_last - antihypertensives_fill_days_since


@derived
def statins_days_left(statins_supply_last: np.ndarray, statins_fill_days_since: np.ndarray) -> np.ndarray:
    """Days until the latest fill of statins runs out; negative since it has. Unit: d.

    label_zh: 他汀类剩余天数（负值为已断药）
    label_en: days until statins run out (negative: ran out)
    """
    return statins_supply_last - statins_fill_days_since


@derived
def antiplatelets_days_left(
    antiplatelets_supply_last: np.ndarray, antiplatelets_fill_days_since: np.ndarray
) -> np.ndarray:
    """Days until the latest fill of antiplatelets runs out; negative since it has. Unit: d.

    label_zh: 抗血小板药剩余天数（负值为已断药）
    label_en: days until antiplatelets run out (negative: ran out)
    """
    return antiplatelets_supply_last - antiplatelets_fill_days_since


@derived
def inhalers_days_left(inhalers_supply_last: np.ndarray, inhalers_fill_days_since: np.ndarray) -> np.ndarray:
    """Days until the latest fill of inhalers runs out; negative since it has. Unit: d.

    label_zh: 吸入剂剩余天数（负值为已断药）
    label_en: days until inhalers run out (negative: ran out)
    """
    return inhalers_supply_last - inhalers_fill_days_since
