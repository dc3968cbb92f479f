"""The card of a model version: what it is, of whom it was made, how good it is, what it is not for."""

from __future__ import annotations

from typing import Any

from training.task import Task

USES = {
    "churn": ("帮助随访人员安排联系的先后", "deciding whom to call first in follow-up"),
    "incident": ("提示可邀请筛查的人群", "inviting people to screening"),
    "prevalent": ("提示是否需要到院检测血糖", "advising whether to have one's blood glucose tested"),
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
    """
    zh, en = USES[task.kind]
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
    }
