"""The impact assessment of PIPL 55-56: its facts are filled in, its judgements are left blank."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from features import instants
from serving import production
from serving.access import KEYS, ROLES, Keys
from serving.approvals import folder
from serving.audit.register import register
from serving.ledger import Ledger
from serving.settings import serving

BLANK = "____________________"
JUDGEMENTS = (
    ("目的、方式是否合法、正当、必要", "Are purpose and method lawful, legitimate and necessary?"),
    ("对个人权益的影响及安全风险", "Effect on the rights of individuals, and the risks"),
    ("保护措施是否合法、有效并与风险程度相适应", "Are the safeguards lawful, effective and proportionate?"),
    ("自动化决策是否透明、公平、公正", "Is automated decision-making transparent, fair and impartial?"),
    ("结论与整改要求", "Conclusion, and what must change first"),
    ("评估人、日期、下次评估日期", "Assessor, date, date of the next assessment"),
)
SAFEGUARDS = (
    "Every decision is durable before its answer leaves; payloads under AES-256-GCM, one key per patient.",
    "Entries are chained by SHA-256; heads signed by Ed25519 lie outside the database; callers hold receipts.",
    "Default deny; quotas per key; abnormal access freezes the key on every worker.",
    "Consent is checked in the transaction that records the score; erasure seals at once.",
    "Models load by digest and a signed approval of another person than the author.",
)


def assessment(home: Path, ledger: Ledger, now: int) -> str:
    """Return the assessment as Markdown, in Chinese and English."""
    return "\n".join(_lines(home, ledger, now)) + "\n"


def _lines(home: Path, ledger: Ledger, now: int) -> Iterator[str]:
    yield "# 个人信息保护影响评估 / Personal information protection impact assessment"
    yield f"\n事实截至 / Facts as of {instants.iso(now)}. 判断由评估人填写 / Judgements are the assessor's."
    yield "\n## 1. 处理活动 / Processing\n"
    yield from _table(("table", "group", "purpose", "necessity", "sensitive"), register(home))
    yield "\n## 2. 接收方 / Recipients\n"
    yield from _table(("name", "role", "department", "purposes", "scopes"), _recipients(home))
    yield "\n## 3. 自动化决策 / Automated decisions\n"
    yield from _table(("task", "version", "digest", "author", "approver", "clinician", "approved"), _models(ledger))
    for row in _models(ledger):
        yield from _figures(home, row)
    yield "\n## 4. 实际处理 / What was done\n"
    yield from _table(("task", "outcome", "decisions"), _decisions(ledger))
    counted = ledger.read("SELECT count(DISTINCT subject) FROM entries WHERE kind = 'decision'")[0][0]
    kinds = {str(kind): int(number) for kind, number in ledger.read("SELECT kind, count(*) FROM entries GROUP BY kind")}
    yield f"\n患者数 / Patients: {counted}. " + "; ".join(f"{kind}: {number}" for kind, number in sorted(kinds.items()))
    yield "\n## 5. 保存期限 / Retention\n"
    yield from (f"- {name}: {value}" for name, value in serving().retention.model_dump().items())
    yield "\n## 6. 安全措施 / Safeguards\n"
    yield from (f"- {text}" for text in SAFEGUARDS)
    yield "\n## 7. 判断 / Judgements\n"
    for zh, en in JUDGEMENTS:
        yield f"- {zh} / {en}: {BLANK}"


def _recipients(home: Path) -> Iterator[dict[str, str]]:
    for each in Keys(home).principals if (home / KEYS).is_file() else ():
        yield {
            "name": each.name,
            "role": each.role,
            "department": each.department or "",
            "purposes": ", ".join(sorted(each.purposes)),
            "scopes": ", ".join(sorted(each.scopes & ROLES[each.role])),
        }


def _models(ledger: Ledger) -> list[dict[str, str]]:
    found = []
    for task, standing in sorted(production.standing(ledger).items()):
        names = ("version", "digest", "author", "approver", "clinician")
        told = {name: str(standing.approval.get(name) or "") for name in names}
        found.append({"task": task, **told, "approved": str(standing.approval["at"])})
    return found


def _figures(home: Path, row: Mapping[str, str]) -> Iterator[str]:
    try:
        card = orjson.loads((folder(home, row["task"], row["digest"]) / "card.json").read_bytes())
    except (OSError, ValueError):
        return
    figures: Mapping[str, Any] = card.get("figures") or {}
    shown = [f"{name} {value:.3f}" for name, value in figures.items() if isinstance(value, float)][:8]
    if shown:
        yield f"\n{row['task']}: " + ", ".join(shown)


def _decisions(ledger: Ledger) -> Iterator[dict[str, str]]:
    rows = ledger.read(
        "SELECT task, outcome, count(*) FROM entries WHERE kind = 'decision' GROUP BY task, outcome ORDER BY 1, 2"
    )
    for task, outcome, number in rows:
        yield {"task": str(task), "outcome": str(outcome), "decisions": str(number)}


def _table(columns: tuple[str, ...], rows: Iterable[Mapping[str, str]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row[name].replace('|', '/') for name in columns)} |"
