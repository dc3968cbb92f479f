"""Labels and units composed from codelist, reduction and window, where a feature brings none of its own."""

from __future__ import annotations

from features.history import Reduction, Selection
from features.schema import table

_TABLES = {
    "patients": ("患者档案", "patient record"),
    "family_history": ("家族史", "family history"),
    "encounters": ("就诊", "visits"),
    "diagnoses": ("诊断", "diagnoses"),
    "observations": ("检验检查", "observations"),
    "prescriptions": ("处方", "prescriptions"),
    "care_plans": ("随访计划", "care plans"),
    "status_changes": ("状态变更", "changes of status"),
    "interactions": ("线上互动", "online actions"),
    "impressions": ("内容曝光", "items shown"),
    "feedback": ("反馈", "feedback"),
    "contacts": ("触达", "outreach"),
    "consents": ("授权同意", "consents"),
}
_WORDS = {
    "count": ("次数", "count"),
    "exists": ("有无", "any"),
    "sum": ("合计", "sum"),
    "mean": ("均值", "mean"),
    "std": ("标准差", "standard deviation"),
    "min": ("最小值", "least"),
    "max": ("最大值", "greatest"),
    "first": ("首次值", "first"),
    "last": ("末次值", "last"),
    "slope": ("每日变化", "change per day"),
    "days_since": ("距今天数", "days since"),
    "distinct": ("不同取值数", "different values"),
    "share": ("占比", "share"),
    "coverage": ("覆盖天数比例", "proportion of days covered"),
}


def labels(reduction: Reduction) -> tuple[str, str]:
    """Return the (zh, en) label of a feature."""
    selection = reduction.selection
    zh_word, en_word = _WORDS[reduction.kind]
    plain = reduction.kind == "coverage" or reduction.column in (None, "value")
    column = "" if plain else f" {reduction.column}"
    part = f" {_told(*reduction.part)}" if reduction.part else ""
    zh_subject, en_subject = _subject(selection)
    zh = f"{_window(selection)[0]}{zh_subject}{column}{part}{zh_word}"
    en = f"{en_subject}: {en_word}{column}{part}{_window(selection)[1]}"
    return reduction.label_zh or zh, reduction.label_en or en


def unit(reduction: Reduction, fallback: str) -> str:
    """Return the unit of a feature: of its codelist or column, else what its group says."""
    kind = reduction.kind
    if kind == "days_since":
        return "d"
    if kind in {"count", "exists", "distinct", "share", "coverage"}:
        return "1"
    own = table(reduction.selection.table).column(reduction.column or "").unit
    if reduction.column == "value":
        units = {code.unit for any_of in reduction.selection.codes for code in any_of if not isinstance(code, str)}
        own = units.pop() if len(units) == 1 else own
    own = own or fallback
    return f"{own}/d" if kind == "slope" and own else own


def _subject(selection: Selection) -> tuple[str, str]:
    names = [
        (code, code) if isinstance(code, str) else (code.zh, code.en) for any_of in selection.codes for code in any_of
    ]
    zh, en = zip(*names, strict=True) if names else ((_TABLES[selection.table][0],), (_TABLES[selection.table][1],))
    told = ", ".join(_told(name, values) for name, values in selection.conditions)
    return "、".join(zh) + (f"({told})" if told else ""), ", ".join(en) + (f" ({told})" if told else "")


def _told(name: str, values: tuple[object, ...]) -> str:
    return f"{name}={'/'.join(str(value) for value in values)}"


def _window(selection: Selection) -> tuple[str, str]:
    if selection.days is None:
        return ("将来", ", ahead") if selection.ahead else ("", "")
    days = f"{selection.days:g}"
    return (f"未来{days}天", f", next {days} days") if selection.ahead else (f"近{days}天", f", last {days} days")
