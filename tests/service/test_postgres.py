"""A service whose events and ledger lie in PostgreSQL: nothing of them in the state folder, keys watched there too.

The suites about replay, purpose, sealing, outages, faults and kills run on both kinds themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from serving.verify import verify
from tests.service.databases import Database
from tests.service.inside import ASKED, Inside, made, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inside(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with pytest.MonkeyPatch.context() as patch:
        Database(server, patch).fresh()
        with served(made(tmp_path_factory.mktemp("postgres"))) as found:
            yield found


def test_score_replay_query_and_idempotency(inside: Inside) -> None:
    headers = inside.as_("outreach") | {"Idempotency-Key": "k1"}
    answers = [inside.client.post("/v1/score", json=ASKED, headers=headers) for _ in range(2)]
    assert answers[0].content == answers[1].content
    decision = answers[0].json()["decisions"][0]
    assert not any((inside.hospital.home / name).exists() for name in ("ledger.db", "events.db"))
    path = f"/v1/decisions/{decision['decision_id']}/replay"
    assert inside.client.post(path, headers=inside.as_("compliance")).json()["verdict"] == "equal"
    query = {"patient_id": "ok-1", "refused": "false", "from": "2025-06-30", "task": "churn_90d"}
    told = inside.client.get("/v1/decisions", params=query, headers=inside.as_("compliance")).json()
    assert told["decisions"][0]["decision_id"] == decision["decision_id"]
    quotas = inside.client.get("/v1/me", headers=inside.as_("outreach")).json()["quotas"]
    assert quotas[0]["used"] >= 1


def test_freezing_and_denials(inside: Inside) -> None:
    assert inside.client.get("/v1/decisions", headers=inside.as_("outreach")).status_code == 403
    assert inside.desk.ledger.latest("denial", 1)[0].header["route"] == "/v1/decisions"
    inside.desk.watchman.freeze("outreach", "a test")
    assert inside.client.get("/v1/models", headers=inside.as_("outreach")).json()["error"]["code"] == "frozen"
    assert inside.desk.watchman.unfreeze("outreach", ("one", "two"))
    assert inside.client.get("/v1/models", headers=inside.as_("outreach")).status_code == 200


def test_the_chain_verifies(inside: Inside) -> None:
    inside.score(patient_id="ok-3")
    verdict = verify(inside.desk.ledger)
    assert verdict.entries > 10
    assert verdict.faults == ()
