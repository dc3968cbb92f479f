"""Items published and withdrawn: the next list goes by it, and callers hear of a withdrawal."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

ITEM: dict[str, Any] = {
    "title": "a walk after supper",
    "topics": ["diet"],
    "layer": "basic",
    "format": "article",
    "published_at": "2025-06-29T23:00:00+00:00",
    "expires_at": "2026-06-30T00:00:00+00:00",
    "reviewers": ["d1", "d2", "d3"],
    "sensitive": False,
}


@pytest.fixture
def item(outreach: httpx.Client) -> Iterator[str]:
    """Return an id of this test alone; whatever stands under it is withdrawn afterwards."""
    name = f"new-{uuid.uuid4().hex[:12]}"
    yield name
    outreach.delete(f"/v1/contents/{name}")


def _listed(client: httpx.Client, personalised: bool) -> list[str]:
    asked = {"patient_id": "ok-1", "k": 50, "channel": "app", "purpose": "health_education"}
    answer = client.post("/v1/recommend", json=asked | {"personalised": personalised})
    assert answer.status_code == 200
    return [each["content_id"] for each in answer.json()["items"]]


def _put(client: httpx.Client, name: str, **changes: Any) -> dict[str, Any]:
    answer = client.put(f"/v1/contents/{name}", json=ITEM | changes)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("personalised", [False, True])
def test_a_published_item_is_in_the_next_list_and_a_withdrawn_one_is_not(
    outreach: httpx.Client, item: str, personalised: bool
) -> None:
    assert item not in _listed(outreach, personalised)
    found = _put(outreach, item)
    assert (found["result"], found["withheld"]) == ("published", None)
    assert item in _listed(outreach, personalised)
    assert outreach.delete(f"/v1/contents/{item}").json()["result"] == "withdrawn"
    assert item not in _listed(outreach, personalised)
    assert _put(outreach, item)["result"] == "replaced"
    assert item in _listed(outreach, personalised)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reviewers": ["d1", "d2"]}, "not_reviewed"),
        ({"expires_at": None}, "expired"),
        ({"title": "治愈率第一"}, "wording"),
        ({"published_at": "2025-07-01T00:00:00+00:00"}, "not_published"),
    ],
)
def test_a_publisher_is_told_why_nobody_will_see_it(
    outreach: httpx.Client, item: str, changes: dict[str, Any], why: str
) -> None:
    assert _put(outreach, item, **changes)["withheld"] == why
    assert item not in _listed(outreach, False)


def test_a_withdrawal_is_told_in_changes_each_time_it_is_sent(outreach: httpx.Client, item: str) -> None:
    _put(outreach, item)
    first = outreach.delete(f"/v1/contents/{item}").json()["receipt"]["seq"]
    outreach.delete(f"/v1/contents/{item}")
    told = [orjson.loads(line) for line in outreach.get(f"/v1/changes?after={first}").content.splitlines()]
    mine = [each for each in told if each.get("content_id") == item]
    assert [each["kind"] for each in mine] == ["content.withdrawn", "content.withdrawn"]


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"format": "poster"},
        {"layer": "deep"},
        {"min_age": -1},
        {"expires_at": "2026-06-30"},
        {"contraindications": "hypertension"},
        {"clicks": 3},
    ],
)
def test_an_item_that_does_not_fit_is_422(outreach: httpx.Client, item: str, body: dict[str, Any]) -> None:
    assert outreach.put(f"/v1/contents/{item}", json=ITEM | body).status_code == 422
    assert outreach.delete(f"/v1/contents/{item}").status_code == 404


def test_an_id_that_is_none_is_refused(outreach: httpx.Client) -> None:
    assert outreach.put("/v1/contents/a%20b", json=ITEM).status_code == 422
    answer = outreach.delete("/v1/contents/never-there")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_content")


def test_compliance_does_not_publish(compliance: httpx.Client) -> None:
    assert compliance.put("/v1/contents/x", json=ITEM).status_code == 403
    assert compliance.delete("/v1/contents/c1").status_code == 403
