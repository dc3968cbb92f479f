"""Section ``tags`` of params.yaml: the thresholds on which operators disagree."""

from __future__ import annotations

import functools
from pathlib import Path

from pydantic import Field

from features import params
from features.params import Values, section


class TagValues(Values):
    """Thresholds of tags and tiers.

    Attributes
    ----------
    basic_online_below, active_online_from, active_offline_from
        Activity tiers, over 90 days: online actions below which there is little, online actions and
        visits in person from which a patient is active.
    value_offline_from, value_tool_use_from
        Visits in person over 90 days and share of health-tool use from which the value tier holds.
    paid_above_cny
        Fees of a year above which a patient is of high value. Unit: CNY.
    frequent_consultations_from, few_consultations_below
        Consultations of a year.
    habit_visits_from
        Visits of 180 days from which coming back is a habit.
    login_lapsed_days, overrun_from
        Days without a log-in, and multiple of the personal revisit interval, from which loss threatens.
    first_visit_count, revisit_count
        Visits of 180 days that make a first visit, of 90 days that make a revisit.
    adherence_good_from, adherence_partial_from
        Proportion of days covered.
    spend_bands_cny
        Fees of a year that part low, middle and high. Unit: CNY.
    channel_share_from
        Share of actions from which a channel is preferred.
    read_from, habit_views_from, proactive_actions_from
        Items read in 90 days from which a preference is named; views of 30 days that make a habit;
        searches and social actions of 90 days that show initiative.
    hba1c_below, systolic_below, diastolic_below
        Control. Units: %, mmHg.
    bmi_high_from
        Unit: kg/m2.
    acute_days, postoperative_days, preconception_days, pregnancy_days, postpartum_days, menopause_days
        How long a code stands for the state. Unit: d.
    smallest_cell
        Patients below which a cell of a group profile is hidden.
    """

    basic_online_below: int
    active_online_from: int
    active_offline_from: int
    value_offline_from: int
    value_tool_use_from: float = Field(gt=0, le=1)
    paid_above_cny: float
    frequent_consultations_from: int
    few_consultations_below: int
    habit_visits_from: int
    login_lapsed_days: float
    overrun_from: float
    first_visit_count: int
    revisit_count: int
    adherence_good_from: float
    adherence_partial_from: float
    spend_bands_cny: tuple[float, float]
    channel_share_from: float
    read_from: int
    habit_views_from: int
    proactive_actions_from: int
    hba1c_below: float
    systolic_below: float
    diastolic_below: float
    bmi_high_from: float
    acute_days: float
    postoperative_days: float
    preconception_days: float
    pregnancy_days: float
    postpartum_days: float
    menopause_days: float
    smallest_cell: int = Field(ge=2)


def tag_values() -> TagValues:
    """Return the section as it stands in params.yaml."""
    return _read(params.path())


@functools.cache
def _read(_file: Path) -> TagValues:
    return section("tags", TagValues)
