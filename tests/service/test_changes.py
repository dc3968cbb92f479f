"""Changes: in the ledger's order, at least once, without clinical values, and a call that waits."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import orjson
import pytest

from features.instants import DAY
from serving.changes import announce, following
from serving.ledger import Ledger
from tests.service.conftest import NOW, Running


def _rows(answer: httpx.Response) -> list[dict[str, object]]:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [orjson.loads(line) for line in answer.content.splitlines()]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db")


def test_changes_come_in_the_order_of_the_ledger_after_a_cursor(ledger: Ledger) -> None:
    with ledger.writing() as appender:
        announce(appender, "patient.merged", NOW, patient_id="p1", merged_from="p9")
        announce(appender, "model.switched", NOW + DAY, task="churn_90d", version="2", digest="d")
    first, second = following(ledger, 0, 10)
    assert first == {
        "cursor": "1",
        "kind": "patient.merged",
        "at": "2025-06-30T00:00:00+00:00",
        "patient_id": "p1",
        "merged_from": "p9",
    }
    assert (second["kind"], second["task"], second["version"]) == ("model.switched", "churn_90d", "2")
    assert following(ledger, int(first["cursor"]), 10) == [second]
    assert following(ledger, 0, 1) == [first]
    assert following(ledger, int(second["cursor"]), 10) == []


def test_a_change_stands_or_falls_with_its_cause(ledger: Ledger) -> None:
    with pytest.raises(RuntimeError), ledger.writing() as appender:
        announce(appender, "content.withdrawn", NOW, content_id="c1")
        raise RuntimeError
    assert following(ledger, 0, 10) == []


def test_a_header_names_nobody(ledger: Ledger) -> None:
    with ledger.writing() as appender:
        announce(appender, "acute.set", NOW, patient_id="patient-in-clear")
    (entry,) = ledger.entries("change")
    assert "patient-in-clear" not in str(entry.header)
    assert entry.header["change"] == "acute.set"


def test_a_change_says_nothing_that_is_not_on_its_list(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="no such change"), ledger.writing() as appender:
        announce(appender, "tag.changed", NOW, patient_id="p1", tag="diabetes")
    with pytest.raises(ValueError, match="no such change"), ledger.writing() as appender:
        announce(appender, "patient.born", NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("query", ["after=x", "after=-1", "wait=61", "since=3", "after=1&after=2"])
def test_a_query_that_does_not_fit_is_422(outreach: httpx.Client, query: str) -> None:
    answer = outreach.get(f"/v1/changes?{query}")
    assert (answer.status_code, answer.json()["error"]["code"][:7]) in ((422, "invalid"), (422, "unknown"))


def _last(client: httpx.Client) -> str:
    rows = _rows(client.get("/v1/changes"))
    return str(rows[-1]["cursor"]) if rows else "0"


def test_a_waiting_call_is_answered_when_something_happens_and_blocks_nobody(
    service: Running, outreach: httpx.Client
) -> None:
    after, told = _last(outreach), {}

    def wait() -> None:
        with service.client("outreach") as client:
            begun = time.monotonic()
            told["rows"] = _rows(client.get(f"/v1/changes?after={after}&wait=20"))
            told["spent"] = time.monotonic() - begun

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(1.0)
    assert outreach.get("/livez").status_code == 200
    ledger = Ledger(service.hospital.home / "ledger.db")
    with ledger.writing() as appender:
        announce(appender, "patient.sealed", NOW, patient_id="ok-3")
    ledger.close()
    waiting.join(10)
    assert told["spent"] < 5
    assert [(row["kind"], row["patient_id"]) for row in told["rows"]] == [("patient.sealed", "ok-3")]


def test_a_waiting_call_ends_empty_at_its_time(outreach: httpx.Client) -> None:
    begun = time.monotonic()
    assert _rows(outreach.get(f"/v1/changes?after={_last(outreach)}&wait=1")) == []
    assert 0.9 < time.monotonic() - begun < 4
