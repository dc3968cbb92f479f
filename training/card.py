"""The card of a model version: what it is, of whom it was made, how good it is, what it is not for."""

from __future__ import annotations

from typing import Any

from training.attributes import Facts, hti1, tripod_ai
from training.task import Task

USES = {
    "churn": ("帮助随访人员安排联系的先后", "deciding whom to call first in follow-up"),
    "incident": ("提示可邀请筛查的人群", "inviting people to screening"),
    "prevalent": ("提示是否需要到院检查", "advising whether to be examined at a hospital"),
    "readmission_30d": ("安排出院后的随访", "arranging follow-up after a discharge"),
    "rule": ("提示按指南应筛查的人群", "inviting people whom a guideline would screen"),
    "affinity": ("决定健康教育内容的先后", "ordering health education content"),
}
FORBIDDEN_ZH = "不得作为诊断，不得用于定价、拒绝服务或改变医疗优先级；最终由医务人员决定"
FORBIDDEN_EN = "no diagnosis; never for price, refusal of service or medical priority; a clinician decides in the end"


def card(
    task: Task,
    *,
    inputs: tuple[str, ...],
    population: dict[str, Any],
    model: dict[str, Any],
    figures: dict[str, float],
    provenance: dict[str, str],
    exploratory: bool,
    attrition: list[dict[str, object]],
    trust: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the card as plain JSON values.

    Parameters
    ----------
    population
        Counts of patients, rows and events, the sample-size verdict, the split.
    model
        Kind, why it was chosen, calibration, bands.
    provenance
        Digests and versions: lake, vector spec, code.
    trust
        What the assessment found, by section.
    """
    facts = Facts(task, inputs, population, model, figures, provenance, tuple(attrition), exploratory, trust or {})
    zh, en = USES.get(task.name) or USES[task.kind]
    return {
        "task": task.name,
        "question": {"zh": task.zh, "en": task.en},
        "kind": task.kind,
        "horizon_days": task.horizon_days,
        "washout_days": task.time.washout_days,
        "lookback_days": task.time.lookback_days,
        "outcome": task.outcome.text,
        "cohort": [
            {"name": each.name, "zh": each.zh, "en": each.en, "code": each.code} for each in task.cohort.criteria
        ],
        "purposes": list(task.purposes),
        "intended_use": {"zh": zh, "en": en},
        "forbidden_use": {"zh": FORBIDDEN_ZH, "en": FORBIDDEN_EN},
        "not_a_diagnosis": task.kind in ("incident", "prevalent"),
        "inputs": list(inputs),
        "protected_inputs": dict(task.inputs.protected),
        "monotone": dict(task.inputs.monotone),
        "population": population,
        "model": model,
        "figures": figures,
        "provenance": provenance,
        "exploratory": exploratory,
        "attrition": attrition,
        "nmpa_classification": "not obtained",
        "impact_assessment": "not obtained",
        "first_page_zh": first_page(task, zh),
        "hti1": hti1(facts),
        "tripod_ai": tripod_ai(facts),
    }


def first_page(task: Task, use: str) -> dict[str, str]:
    """Return the first page, in Chinese: what a reviewer, and a patient who asks, is told first."""
    out = "；".join(each.zh for each in task.cohort.criteria)
    asked = task.kind == "prevalent"
    who = ("填写问卷者" if asked else "本院患者") + (f"，以下情况除外：{out}" if out else "")
    grounds, decides = ("您填写的问卷", "是否建议您检查") if asked else ("您的就诊、检验与随访记录", "是否联系您")
    return {
        "问题": task.zh,
        "预期用途": use,
        "禁止用途": FORBIDDEN_ZH,
        "适用人群": who,
        "最终决定者": "医务人员或随访人员；模型只提供参考",
        "医疗器械分类意见（药监）": "未取得",
        "个人信息保护影响评估": "编号见提案；未取得时，批准人须在批准前自行确认",
        "接收方": "本院随访与合规部门；不向第三方提供",
        "告知患者的规则（个人信息保护法第二十四条）": f"系统根据{grounds}估计{task.zh}的可能性，"
        f"用于决定{decides}；您可以要求说明，也可以拒绝仅由系统作出的决定",
    }
