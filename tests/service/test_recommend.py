"""POST /v1/recommend: safe items only, in the head's order, with reasons, on record."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from serving.ledger import Ledger
from serving.schemas import RecommendAnswer
from tests.service.conftest import Running, contents


def _ask(client: httpx.Client, patient_id: str = "ok-1", **changes: Any) -> dict[str, Any]:
    asked = {"patient_id": patient_id, "k": 5, "channel": "app", "purpose": "health_education", **changes}
    answer = client.post("/v1/recommend", json=asked)
    assert answer.status_code == 200, answer.text
    RecommendAnswer.model_validate(answer.json())
    return dict(answer.json())


def test_a_list_is_safe_ordered_and_explained(
    service: Running, outreach: httpx.Client, compliance: httpx.Client
) -> None:
    told = _ask(outreach)
    names = [item["content_id"] for item in told["items"]]
    assert len(names) == 5
    assert set(names) <= {row["content_id"] for row in contents()[:8]} - {"c1"}
    assert all(0 < item["affinity"] < 1 for item in told["items"])
    assert [item["propensity"] for item in told["items"]][:4] == [1.0] * 4
    assert 0.01 <= told["items"][-1]["propensity"] <= 0.98
    assert [item["slot"] for item in told["items"]] == [1, 2, 3, 4, 5]
    assert all(1 <= len(item["reasons"]) <= 4 for item in told["items"])
    assert set(told["excluded"]) == {"not_current", "not_reviewed", "not_suitable"}
    assert sum(told["excluded"].values()) == len(_ask(compliance, explain="full")["excluded_items"])
    assert "excluded_items" not in told
    ledger = Ledger(service.hospital.home / "ledger.db")
    entry = ledger.entry("list", told["list_id"])
    ledger.close()
    assert entry is not None
    assert entry.receipt.as_dict() == told["receipt"]
    assert [item["content_id"] for item in entry.payload["items"]] == names
    assert set(names) <= set(entry.payload["eligible"])
    exploring = entry.payload["exploring"]
    assert (exploring["slot"], exploring["probability"]) == (5, 0.05)
    assert set(exploring["sampled"]) <= set(entry.payload["eligible"]) - set(names[:4])
    assert entry.header["list_policy"] and isinstance(exploring["seed"], int)


def test_only_compliance_is_told_why_an_item_is_withheld(outreach: httpx.Client, compliance: httpx.Client) -> None:
    told = _ask(compliance, explain="full")
    why = {row["content_id"]: row["why"] for row in told["excluded_items"]}
    assert {name: reason for name, reason in why.items() if not name.startswith("new-")} == {
        row["content_id"]: row["content_id"] for row in contents()[8:]
    }  # other tests publish items called new-...
    asked = {"patient_id": "ok-1", "k": 5, "channel": "app", "purpose": "health_education", "explain": "full"}
    assert outreach.post("/v1/recommend", json=asked).status_code == 403
    assert compliance.get(f"/v1/decisions/{told['list_id']}").json()["outcome"] == "listed"


def test_a_list_for_everyone_is_the_same_for_everyone(outreach: httpx.Client) -> None:
    lists = [_ask(outreach, who, personalised=False, k=20) for who in ("ok-1", "no-consent", "objects", "left")]
    shown = [[item["content_id"] for item in told["items"]] for told in lists]
    assert shown[0] == shown[1] == shown[2] == shown[3]
    assert {item["affinity"] for told in lists for item in told["items"]} == {None}
    assert not {"contraindicated", "age", "sensitive", "expired"} & set(shown[0])
    assert lists[1]["model"] is None


@pytest.mark.parametrize(
    ("patient_id", "code"), [("no-consent", "no_consent"), ("left", "not_eligible"), ("objects", "no_consent")]
)
def test_a_refused_list_is_empty_and_recorded(outreach: httpx.Client, patient_id: str, code: str) -> None:
    told = _ask(outreach, patient_id)
    assert (told["refused"]["code"], told["items"]) == (code, [])
    assert told["receipt"]["seq"] > 0


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"k": 0}, 422, "k"),
        ({"k": 51}, 422, "k"),
        ({"channel": "pigeon"}, 422, "channel"),
        ({"purpose": "care_followup"}, 403, "purpose"),
        ({"patient_id": "nobody"}, 404, "patient_id"),
    ],
)
def test_a_bad_request_is_refused(outreach: httpx.Client, changes: dict[str, Any], status: int, field: str) -> None:
    asked = {"patient_id": "ok-1", "k": 5, "channel": "app", "purpose": "health_education", **changes}
    answer = outreach.post("/v1/recommend", json=asked)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
