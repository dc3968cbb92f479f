"""分层: activity tiers, of which one holds, and value tiers, of which several may."""

from __future__ import annotations

from features.tagging.tag import Ground, Tag
from features.tagging.values import TagValues

SPEND = frozenset({"fee_sum_365d"})
"""What a tier reads of spending: such a tier is marked for review."""
UNDETERMINED = {"activity": "undetermined", "value": "value_undetermined"}
"""Scheme -> code of what is said where none of its tiers holds."""


def activity(values: TagValues) -> tuple[Tag, ...]:
    """Return the activity tiers, the one that wins first."""
    online, offline, tools = "online_count_90d", "offline_visit_count_90d", "health_tool_use_90d"
    few, many, visits = values.basic_online_below, values.active_online_from, values.active_offline_from
    often, share = values.value_offline_from, values.value_tool_use_from
    return (
        Tag(
            "value_layer",
            "价值层",
            "value layer",
            "tier",
            (
                Ground(
                    (offline, tools),
                    lambda came, used: (came >= often) & (used >= share),
                    f"近3个月到院 >= {often} 次且健康工具使用率 >= {share:.0%}",
                    f"{often} or more visits in person in 3 months, and health-tool use {share:.0%} or more",
                ),
            ),
        ),
        Tag(
            "active_layer",
            "活跃层",
            "active layer",
            "tier",
            (
                Ground(
                    (online,),
                    lambda acted: acted >= many,
                    f"近3个月线上互动 >= {many} 次",
                    f"{many} or more online actions in 3 months",
                ),
                Ground(
                    (offline,),
                    lambda came: came >= visits,
                    f"近3个月到院 >= {visits} 次",
                    f"{visits} or more visits in person in 3 months",
                ),
            ),
        ),
        Tag(
            "basic_layer",
            "基础层",
            "basic layer",
            "tier",
            (
                Ground(
                    (online, offline),
                    lambda acted, came: (came == 0) & (acted < few),
                    f"近3个月无到院且线上互动 < {few} 次",
                    f"no visit in person and fewer than {few} online actions in 3 months",
                ),
            ),
        ),
    )


def value(values: TagValues) -> tuple[Tag, ...]:
    """Return the value tiers."""
    paid, often, few = values.paid_above_cny, values.frequent_consultations_from, values.few_consultations_below
    habit, lapsed, overrun = values.habit_visits_from, values.login_lapsed_days, values.overrun_from
    return (
        Tag(
            "high_value",
            "高价值",
            "high value",
            "tier",
            (
                Ground(("insurance_corporate",), lambda paid_for: paid_for == 1, "企业客户", "paid by an employer"),
                Ground(
                    ("consultation_count_365d",),
                    lambda asked: asked >= often,
                    f"近一年问诊 >= {often} 次",
                    f"{often} or more consultations in a year",
                ),
                Ground(
                    ("fee_sum_365d",),
                    lambda fees: fees > paid,
                    f"近一年费用 > {paid:g} 元 (需复核)",
                    f"paid more than {paid:g} CNY in a year (marked for review)",
                ),
            ),
        ),
        Tag(
            "potential",
            "潜力",
            "potential",
            "tier",
            (
                Ground(
                    ("chronic_ever", "active_care_plan", "visit_count_180d"),
                    lambda chronic, plan, came: ((chronic == 1) | (plan == 1)) & (came < habit),
                    f"有慢性病或有效随访计划, 而近6个月就诊 < {habit} 次",
                    f"a chronic disease or an active care plan, and fewer than {habit} visits in 6 months",
                ),
            ),
        ),
        Tag(
            "low_activity",
            "低活跃",
            "low activity",
            "tier",
            (
                Ground(
                    ("consultation_count_365d",),
                    lambda asked: asked < few,
                    f"近一年从未问诊或问诊 < {few} 次",
                    f"never consulted, or fewer than {few} consultations in a year",
                ),
            ),
        ),
        Tag(
            "churn_risk",
            "流失风险",
            "risk of loss",
            "tier",
            (
                Ground(
                    ("login_days_since",),
                    lambda since: since >= lapsed,
                    f">= {lapsed:g} 天未登录",
                    f"{lapsed:g} days or more without a log-in",
                ),
                Ground(
                    ("revisit_overrun",),
                    lambda overran: overran >= overrun,
                    f"个人复诊间隔超期 >= {overrun:g} 倍",
                    f"the personal revisit interval overrun {overrun:g} times or more",
                ),
            ),
            edges=(lapsed,),
        ),
    )
