"""The words of the reviewer's pages, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Language = Literal["zh", "en"]

_PAIRS: dict[str, tuple[str, str]] = {
    "product": ("关怀路径", "CarePath"),
    "review": ("决策复核", "Decision review"),
    "other_language": ("English", "中文"),
    "sign_in": ("登录", "Sign in"),
    "sign_out": ("退出", "Sign out"),
    "sign_in_help": (
        "请输入合规密钥。密钥不会被保存，会话三十分钟后失效。",
        "Enter a compliance key. It is not kept; a session lasts thirty minutes.",
    ),
    "key": ("密钥", "Key"),
    "wrong_key": ("密钥无效或已过期。", "The key is not valid, or has expired."),
    "decision": ("决策", "Decision"),
    "probability": ("风险概率", "Probability"),
    "horizon": ("预测期：{n} 天", "Horizon: {n} days"),
    "horizon_now": ("针对当前状况", "About now"),
    "low": ("低", "low"),
    "medium": ("中", "medium"),
    "high": ("高", "high"),
    "very_high": ("很高", "very high"),
    "band": ("分层", "Band"),
    "refused": ("未评分", "No score"),
    "action": ("建议处理", "What to do"),
    "ask_consent": ("征求同意", "ask for consent"),
    "send_to_person": ("转人工处理", "send to a person"),
    "do_not_contact": ("不要联系", "do not contact"),
    "retry_after_data": ("待数据更新后重试", "ask again once data has arrived"),
    "none": ("无需处理", "nothing"),
    "asked": ("评分内容", "What was scored"),
    "patient": ("患者代号", "Patient surrogate"),
    "as_of": ("评估时点", "As of"),
    "recorded": ("记录时间", "Recorded"),
    "purpose": ("用途", "Purpose"),
    "principal": ("请求方", "Asked by"),
    "reasons": ("模型依据", "What the model relied on"),
    "as_told": ("告知请求方的措辞", "As it was worded to the asker"),
    "raises": ("推高", "raises"),
    "lowers": ("降低", "lowers"),
    "unstable": ("理由不稳定", "Reasons unstable"),
    "stability_unknown": ("该模型版本未附理由稳定性数据", "This model version carries no stability table"),
    "missing": ("缺少数据", "Nothing was known of"),
    "stale": ("数据未更新", "Not updated lately"),
    "waterfall": ("各临床主题的贡献", "Contribution of each clinical group"),
    "waterfall_desc": (
        "从训练数据的平均值出发，逐项累加各临床主题的权重，得到该患者的得分。下方表格内容相同。",
        "From the average of the training data, each clinical group's weight added in turn "
        "to this patient's score. The table below says the same.",
    ),
    "base": ("训练平均", "Training average"),
    "margin": ("该患者", "This patient"),
    "rest": ("其余 {n} 项", "{n} others"),
    "axis": ("校准后的对数几率", "calibrated log-odds"),
    "honest": (
        "以上是模型对该患者的权重，与训练数据的平均值相比。它们不是原因，不是百分点；改变其中一项，并不保证风险降低。",
        "These are the model's weights for this patient against the average of its training data. "
        "They are not causes, not percentage points, and changing one does not promise a lower risk.",
    ),
    "same_as_table": ("表格", "The same as a table"),
    "group": ("临床主题", "Clinical group"),
    "contribution": ("贡献（对数几率）", "Contribution (log-odds)"),
    "features": ("特征", "Features"),
    "shapley_note": (
        "主题的贡献按主题整体计算，不等于其特征贡献之和。",
        "A group's contribution is computed for the group as a whole; it is not the sum of its features'.",
    ),
    "provenance": ("数据来源", "Where each value came from"),
    "feature": ("特征", "Feature"),
    "value": ("数值", "Value"),
    "event": ("最近事件", "Latest event"),
    "happened": ("发生", "Happened"),
    "known": ("知悉", "Known"),
    "source": ("来源", "Source"),
    "events": ("事件数", "Events"),
    "unknown": ("无记录", "not known"),
    "consent": ("同意", "Consent"),
    "consent_id": ("同意记录", "Consent"),
    "notice": ("告知书版本", "Notice"),
    "model": ("模型", "Model"),
    "version": ("版本", "Version"),
    "digest": ("模型摘要", "Model digest"),
    "spec": ("特征定义摘要", "Digest of the feature definitions"),
    "receipt": ("台账回执", "Ledger receipt"),
    "seq": ("序号", "Entry"),
    "hash": ("哈希", "Hash"),
    "replay": ("重放", "Replay"),
    "replay_equal": ("与记录逐位一致", "equal to the record, to the last bit"),
    "replay_differs": ("与记录不一致", "differs from the record"),
    "replay_impossible": ("无法重放", "cannot be replayed"),
    "replay_changed": ("此后有变更", "changed since"),
    "read_up_to": ("已读事件序号", "Events read up to"),
    "beijing": ("北京时间", "Beijing"),
    "latest": ("最近的决策", "Latest decisions"),
    "nothing_yet": ("还没有决策。", "No decision has been made yet."),
    "task": ("问题", "Question"),
    "outcome": ("结果", "Outcome"),
    "scored": ("已评分", "scored"),
    "failed": ("无法显示", "This cannot be shown"),
    "failed_401": ("请先登录。", "Sign in first."),
    "failed_403": ("该密钥无权查看此页。", "This key may not see the page."),
    "failed_404": ("没有这条决策。", "There is no such decision."),
    "failed_other": ("请稍后重试。", "Try again later."),
}


def words(language: Language) -> Mapping[str, str]:
    """Return every word in one language."""
    at = 0 if language == "zh" else 1
    return {name: pair[at] for name, pair in _PAIRS.items()}
