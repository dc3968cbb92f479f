"""Decisions asked at once are recorded in one transaction on the event loop; none is answered before it is durable."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.api import application
from serving.clock import Clock
from serving.desk import Desk
from serving.ledger import Handed, Ledger
from serving.verify import verify
from tests.service.conftest import CLOCK, build

ASKED = {"tasks": ["churn_90d"], "purpose": "care_followup"}


def test_who_asks_at_once_is_recorded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hospital = build(tmp_path / "home", tmp_path / "work")
    desk = Desk(hospital.home, Clock.at(CLOCK))
    app, groups = application(desk), list[int]()

    async def asked(callers: int) -> list[httpx.Response]:
        async with app.router.lifespan_context(app):
            now = desk.ledger.now

            def counted(handed: list[Handed[Any]]) -> None:
                groups.append(len(handed))
                now(handed)

            monkeypatch.setattr(desk.ledger, "now", counted)
            transport, headers = httpx.ASGITransport(app), hospital.headers("outreach")
            async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers) as client:
                bodies = [{**ASKED, "patient_id": f"ok-{1 + each % 3}"} for each in range(callers)]
                return await asyncio.gather(*(client.post("/v1/score", json=body) for body in bodies))

    answers = asyncio.run(asked(12))
    assert sum(groups) == 12 and max(groups) > 1
    receipts = [answer.json()["decisions"][0]["receipt"]["seq"] for answer in answers]
    assert len(set(receipts)) == 12
    ledger = Ledger(hospital.home / "ledger.db")
    for answer in answers:
        told = answer.json()["decisions"][0]
        entry = ledger.entry("decision", told["decision_id"])
        assert entry is not None and entry.receipt.as_dict() == told["receipt"]
    assert not verify(ledger).faults
    ledger.close()


def test_while_another_appends_the_clerk_waits_for_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    handed = [Handed(lambda appender, n=n: appender.append("note", f"n{n}", {}, {})) for n in range(2)]
    ledger.now(handed)
    assert not any(each.done() for each in handed)
    other.execute("ROLLBACK")
    assert [each.result(5).seq for each in handed] == [1, 2]
    ledger.close()
