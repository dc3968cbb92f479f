"""行为特征 and 心理需求: how the patient comes, takes medicines, reads, pays; what the patient seeks."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.tagging.tag import Ground, Tag, chosen, flag
from features.tagging.values import TagValues

YEAR = 365.0
ADHERENCE = {"good": ("良好", "good"), "partial": ("部分", "partial"), "poor": ("不足", "poor")}
SPEND = {"low": ("低", "low"), "middle": ("中", "middle"), "high": ("高", "high")}
CHANNELS = {
    "app": ("应用", "app"),
    "mini_program": ("小程序", "mini program"),
    "wechat": ("微信", "WeChat"),
    "web": ("网页", "web"),
}
HOURS = {
    "night": ("夜间 0-6 时", "night, 0 to 6"),
    "morning": ("上午 6-12 时", "morning, 6 to 12"),
    "afternoon": ("下午 12-18 时", "afternoon, 12 to 18"),
    "evening": ("晚间 18-24 时", "evening, 18 to 24"),
}
HABIT = {"regular": ("经常阅读", "reads regularly"), "occasional": ("偶尔阅读", "reads now and then")}
INITIATIVE = {"proactive": ("主动", "proactive"), "passive": ("被动", "passive")}


def _adherence(values: TagValues, covered: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Of those alone who were given long-term medicines within a year."""
    good, partly, given = values.adherence_good_from, values.adherence_partial_from, filled < YEAR
    return chosen(
        (given & (covered >= good), "good"), (given & (covered >= partly), "partial"), (given & (covered >= 0), "poor")
    )


def _channel(values: TagValues, *shares: np.ndarray) -> np.ndarray:
    """The channel with the greatest share, where that is large enough; of equals the first in the list."""
    stacked = np.stack([np.nan_to_num(each, nan=-1.0) for each in shares])
    best = stacked.argmax(axis=0)
    enough = stacked.max(axis=0) >= values.channel_share_from
    return chosen(*((enough & (best == place), name) for place, name in enumerate(CHANNELS)))


def _spend(values: TagValues, paid: np.ndarray) -> np.ndarray:
    low, high = values.spend_bands_cny
    return chosen((paid > high, "high"), (paid > low, "middle"), (paid > 0, "low"))


def behaviour(values: TagValues) -> tuple[Tag, ...]:
    """Return the tags of the layer."""
    good, partly, share = values.adherence_good_from, values.adherence_partial_from, values.channel_share_from
    low, high = values.spend_bands_cny
    return (
        flag(
            "first_visit",
            "首诊",
            "first visit",
            "behaviour",
            Ground(
                ("visit_count_180d",),
                lambda count: count == values.first_visit_count,
                f"6个月内就诊 {values.first_visit_count} 次",
                f"{values.first_visit_count} visit in 6 months",
            ),
        ),
        flag(
            "revisiting",
            "复诊",
            "revisiting",
            "behaviour",
            Ground(
                ("visit_count_90d",),
                lambda count: count >= values.revisit_count,
                f"3个月内就诊 >= {values.revisit_count} 次",
                f"{values.revisit_count} or more visits in 3 months",
            ),
        ),
        flag(
            "left_for_elsewhere",
            "已离开",
            "left for elsewhere",
            "behaviour",
            Ground(
                ("left_now",),
                lambda left: left == 1,
                "已转院、迁出或退出且未返回",
                "transferred, moved or opted out, and not back",
            ),
        ),
        Tag(
            "adherence",
            "按时服药",
            "medication adherence",
            "behaviour",
            (
                Ground(
                    ("supply_coverage_90d", "supply_days_since"),
                    partial(_adherence, values),
                    f"一年内有长期用药者, 近90天用药覆盖率 >= {good:g} 良好, >= {partly:g} 部分, 其余不足",
                    "long-term medicines within a year; days covered of the last 90: "
                    f"good from {good:g}, partial from {partly:g}, else poor",
                ),
            ),
            words=ADHERENCE,
            edges=(YEAR,),
        ),
        Tag(
            "channel_preference",
            "渠道偏好",
            "preferred channel",
            "behaviour",
            (
                Ground(
                    tuple(f"{name}_share_90d" for name in CHANNELS),
                    partial(_channel, values),
                    f"近90天行为占比最高且 >= {share:g} 的渠道",
                    f"the channel with the most actions of 90 days, and a share of {share:g} or more",
                ),
            ),
            words=CHANNELS,
        ),
        Tag(
            "format_preference",
            "形式偏好",
            "preferred format",
            "behaviour",
            (
                Ground(
                    ("format_read",),
                    lambda read: read,
                    f"近90天阅读最多的内容形式 (至少 {values.read_from} 次)",
                    f"the format read most in 90 days, {values.read_from} times or more",
                ),
            ),
        ),
        Tag(
            "active_hours",
            "活跃时段",
            "active hours",
            "behaviour",
            (
                Ground(
                    ("hours_active",),
                    lambda hours: hours,
                    f"近90天行为最多的时段 (至少 {values.read_from} 次)",
                    f"the part of the day with the most actions of 90 days, {values.read_from} or more",
                ),
            ),
            words=HOURS,
        ),
        Tag(
            "spend_band",
            "消费档",
            "spend band",
            "behaviour",
            (
                Ground(
                    ("fee_sum_365d",),
                    partial(_spend, values),
                    f"近一年费用: > {high:g} 元高, > {low:g} 元中, 其余有消费者低; 仅用于服务推荐排序",
                    f"fees of a year: high above {high:g} CNY, middle above {low:g}, else low; for service offers only",
                ),
            ),
            words=SPEND,
        ),
    )


def need(values: TagValues) -> tuple[Tag, ...]:
    """Return the tags of the layer."""
    return (
        Tag(
            "topic_sought",
            "关注主题",
            "topic sought",
            "need",
            (
                Ground(
                    ("topic_read",),
                    lambda read: read,
                    f"近90天阅读最多的非敏感主题 (至少 {values.read_from} 次)",
                    f"the topic read most in 90 days, {values.read_from} times or more; sensitive items left out",
                ),
            ),
        ),
        Tag(
            "information_habit",
            "信息习惯",
            "information habit",
            "need",
            (
                Ground(
                    ("view_count_30d", "view_count_90d"),
                    lambda month, quarter: chosen(
                        (month >= values.habit_views_from, "regular"), (quarter >= 1, "occasional")
                    ),
                    f"近30天阅读 >= {values.habit_views_from} 次为经常, 近90天读过为偶尔",
                    f"regular from {values.habit_views_from} views in 30 days, else occasional from one in 90",
                ),
            ),
            words=HABIT,
        ),
        Tag(
            "initiative",
            "主动性",
            "initiative",
            "need",
            (
                Ground(
                    ("search_count_90d", "social_count_90d"),
                    lambda searched, social: chosen(
                        (searched + social >= values.proactive_actions_from, "proactive"),
                    ),
                    f"近90天搜索与互动 >= {values.proactive_actions_from} 次为主动",
                    f"proactive from {values.proactive_actions_from} searches and social actions in 90 days",
                ),
                Ground(
                    ("online_count_90d", "contact_count_90d"),
                    lambda online, contacts: chosen(((online == 0) & (contacts >= 1), "passive")),
                    "近90天收到触达而无任何线上行为为被动",
                    "passive where outreach was received in 90 days and nothing done on line",
                ),
            ),
            words=INITIATIVE,
        ),
    )
