"""What a patient may be told of what is held and done (PIPL 17, 24, 44-48; GDPR 15, 20): one JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from features import instants
from features.schema import TABLES
from serving.consent import known, standing
from serving.ledger import Entry, Sealed
from serving.models import Served

if TYPE_CHECKING:
    from serving.desk import Desk

_FOREVER = 2**62
_INSTANTS = frozenset({"time", "known_at", "granted_at", "withdrawn_at", "birth_date", "registered_at", "deceased_at"})
_MOST = 1000
RIGHTS = (
    ("access", "查阅、复制本人信息（第45条）：即本文件。", "Access and a copy of one's data (Art. 45): this document."),
    ("correct", "更正、补充（第46条）：更正成为事件的新版本。", "Correction (Art. 46): a new version of the event."),
    (
        "delete",
        "删除（第47条）：立即封存，保存期满即销毁密钥。",
        "Erasure (Art. 47): sealed at once; then the key goes.",
    ),
    ("explain", "要求解释处理规则和决策（第24、48条）。", "An explanation of rules and decisions (Art. 24, 48)."),
    ("object", "拒绝仅以自动化方式作出的决定（第24条）。", "To refuse decisions made by automation alone (Art. 24)."),
    ("withdraw", "撤回同意（第15条）：此后不再评分。", "To withdraw consent (Art. 15): no score from then on."),
    ("transfer", "转移至其他处理者（第45条）。", "Transfer to another handler (Art. 45)."),
)


def dossier(desk: Desk, patient_id: str, now: int) -> dict[str, Any]:
    """Return everything held of a patient, what it was used for, and how to object."""
    tables = desk.store.tables(patient_id)
    entries = _entries(desk, patient_id)
    stone = desk.ledger.keys.tombstone(patient_id)
    rules = desk.settings.retention
    return {
        "patient_id": patient_id,
        "as_of": instants.iso(now),
        "sealed_at": None if stone is None else instants.iso(stone.sealed_at),
        "held": [_held(name, table) for name, table in sorted(tables.items())],
        "data": {name: _rows(table) for name, table in sorted(tables.items())},
        "consents": list(_consents(desk, tables, now)),
        "decisions": [_decision(entry) for entry in entries if entry.kind == "decision"],
        "lists": [_list(entry) for entry in entries if entry.kind == "list"],
        "read_by": _readers(desk, entries),
        "models": [_model(served) for served in desk.models.served.values()],
        "retention": rules.model_dump(),
        "rights": [{"code": code, "zh": zh, "en": en} for code, zh, en in RIGHTS],
    }


def _entries(desk: Desk, patient_id: str) -> list[Entry]:
    reference = desk.ledger.keys.reference(patient_id)
    return [] if reference is None else desk.ledger.where("subject = ?", (reference,), _MOST)


def _held(name: str, table: pa.Table) -> dict[str, Any]:
    rows = known(table, _FOREVER) if "event_id" in table.column_names else table.to_pylist()
    times = sorted(row["time"] for row in rows if isinstance(row.get("time"), int))
    return {
        "table": name,
        "meaning": TABLES[name].meaning,
        "sensitive": TABLES[name].clinical,
        "rows": len(rows),
        "first": instants.iso(times[0]) if times else None,
        "last": instants.iso(times[-1]) if times else None,
        "sources": sorted({row["source"] for row in rows if row.get("source")}),
    }


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows = known(table, _FOREVER) if "event_id" in table.column_names else table.to_pylist()
    return [{name: _plain(name, value) for name, value in row.items() if value is not None} for row in rows]


def _plain(name: str, value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return instants.iso(value) if name in _INSTANTS and isinstance(value, int) else value


def _consents(desk: Desk, tables: dict[str, pa.Table], now: int) -> Iterator[dict[str, Any]]:
    rows = known(tables.get("consents"), now)
    births = [row["birth_date"] for row in known(tables.get("patients"), now) if row.get("birth_date") is not None]
    for purpose in sorted({row["purpose"] for row in rows}):
        found = standing(rows, purpose, now, births[0] if births else None, desk.settings)
        yield {
            "purpose": purpose,
            "stands": found.refusal is None,
            "why": found.why or None,
            "consent_id": found.consent_id,
            "notice": found.notice,
            "rows": [{name: _plain(name, value) for name, value in row.items()} for row in rows],
        }


def _decision(entry: Entry) -> dict[str, Any]:
    header = entry.header
    told = {
        "decision_id": entry.id,
        **{name: header[name] for name in ("task", "question_zh", "question_en", "purpose", "recorded_at", "outcome")},
        "asked_by": header["principal"],
        "model": header["model"],
        "receipt": entry.receipt.as_dict(),
    }
    try:
        payload = entry.payload
    except Sealed:
        return told
    more = ("probability", "band", "missing", "refused", "values", "group_contributions", "margin", "base")
    return told | {name: payload.get(name) for name in more} | {"reasons": payload["reasons"]}


def _list(entry: Entry) -> dict[str, Any]:
    named = {name: entry.header.get(name) for name in ("purpose", "recorded_at", "outcome", "channel", "personalised")}
    try:
        return {"list_id": entry.id, **named, "items": entry.payload["items"]}
    except Sealed:
        return {"list_id": entry.id, **named}


def _readers(desk: Desk, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return who read the patient's decisions, and when."""
    own = {entry.id for entry in entries}
    reads = desk.ledger.where("kind IN ('read', 'replay')", (), _MOST * 10)
    return [
        {name: entry.header.get(name) for name in ("principal", "role", "at", "decision_id", "reason")}
        for entry in reads
        if entry.header.get("decision_id") in own
    ]


def _model(served: Served) -> dict[str, Any]:
    task = served.task
    rule = served.card.get("plain_rule") or served.card.get("rule")
    return {**served.named(), "zh": task.zh, "en": task.en, "purposes": list(task.purposes), "rule": rule}
