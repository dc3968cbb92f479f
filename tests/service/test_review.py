"""The reviewer's pages over HTTP: signing in, what is shown, and what no page may do."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx
import pytest

from serving.reasons import group_names
from serving.review.words import words
from tests.service.conftest import Running, contents
from training.affinity.safety import REASONS

HTML = {"Accept": "text/html"}
SENTENCES = (
    "它们不是原因，不是百分点；改变其中一项，并不保证风险降低。",
    "They are not causes, not percentage points, and changing one does not promise a lower risk.",
)


@pytest.fixture
def decision_id(outreach: httpx.Client) -> str:
    asked = {"patient_id": "ok-1", "tasks": ["diabetes_12m"], "purpose": "care_followup"}
    return str(outreach.post("/v1/score", json=asked).json()["decisions"][0]["decision_id"])


def _sign_in(client: httpx.Client, key: str, after: str = "/review") -> httpx.Response:
    return client.post("/review/sign-in", data={"key": key, "after": after})


def test_the_page_says_what_the_record_says(compliance: httpx.Client, decision_id: str) -> None:
    record = compliance.get(f"/v1/decisions/{decision_id}").json()
    for tongue, sentence in zip(("zh", "en"), SENTENCES, strict=True):
        page = compliance.get(f"/review/decisions/{decision_id}?lang={tongue}")
        assert page.status_code == 200
        text = page.text
        assert sentence in text
        assert text.count("<svg") == 1
        assert f"{record['probability'] * 100:.1f}" in text
        assert record["receipt"]["hash"] in text
        assert record["model"]["digest"] in text
        assert record["consent_id"] in text
        for value in record["values"]:
            assert value["event_id"] is None or value["event_id"] in text
        for reason in record["reasons_staff"]:
            assert reason[tongue] in text


def _list(client: httpx.Client, patient_id: str = "ok-1", **changes: Any) -> str:
    asked = {"patient_id": patient_id, "k": 5, "channel": "app", "purpose": "health_education", **changes}
    return str(client.post("/v1/recommend", json=asked).json()["list_id"])


def test_the_page_of_a_list_says_what_its_record_says(outreach: httpx.Client, compliance: httpx.Client) -> None:
    list_id = _list(outreach)
    record = compliance.get(f"/v1/decisions/{list_id}").json()
    titles = {row["content_id"]: row["title"] for row in contents()}
    for at, tongue in enumerate(("zh", "en")):
        page = compliance.get(f"/review/decisions/{list_id}?lang={tongue}")
        assert page.status_code == 200, page.text
        text, w = html.unescape(page.text), words(tongue)
        shown = text[text.index('<table class="items">') :]
        places = [shown.index(f"<code>{item['content_id']}</code>") for item in record["items"]]
        assert len(places) == 5 and places == sorted(places)
        for item in record["items"]:
            assert item["title"] in shown and f"{item['affinity'] * 100:.1f} %" in shown
            assert all(reason[tongue] in shown for reason in item["reasons"])
        for group in record["relative"][0]:
            assert group_names()[group][at] in shown
        assert {each["why"] for each in record["excluded_items"]} == set(REASONS) - {"fatigue"}
        for each in record["excluded_items"]:
            assert w[f"why_{each['why']}"] in text and f"<code>{each['content_id']}</code>" in text
            assert titles.get(each["content_id"], "") in text
        assert all(f"<code>{name}</code>" in text for name in record["exploring"]["sampled"])
        assert w["drawn" if record["exploring"]["explored"] else "exploring"] in shown
        for told in (record["receipt"]["hash"], record["model"]["digest"], record["consent_id"], record["list_policy"]):
            assert told in text
        assert w["replay_equal"] in text
    assert f"/review/decisions/{list_id}" in compliance.get("/review").text
    assert outreach.get(f"/review/decisions/{list_id}").status_code == 403


def test_everybodys_list_and_a_refused_one_have_pages(outreach: httpx.Client, compliance: httpx.Client) -> None:
    same = compliance.get(f"/review/decisions/{_list(outreach, personalised=False)}?lang=en").text
    assert "uses no patient&#39;s data" in same and words("en")["closed_age"] in same and "▲" not in same
    refused = compliance.get(f"/review/decisions/{_list(outreach, 'no-consent')}?lang=en").text
    assert "No list: <code>no_consent</code>" in refused and words("en")["replay_equal"] in refused


def test_nothing_on_a_page_runs_or_leaves(compliance: httpx.Client, outreach: httpx.Client, decision_id: str) -> None:
    for path in ("/review", f"/review/decisions/{decision_id}", f"/review/decisions/{_list(outreach)}"):
        page = compliance.get(path)
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "unsafe" not in policy
        assert not re.search(r"<script|\son\w+=|style=|https?://|javascript:", page.text)
        assert page.headers["Cache-Control"] == "no-store"


def test_a_browser_is_asked_to_sign_in(service: Running, decision_id: str) -> None:
    with service.client(None) as browser:
        page = browser.get(f"/review/decisions/{decision_id}", headers=HTML)
        assert page.status_code == 401
        assert f'name="after" value="/review/decisions/{decision_id}"' in page.text
        assert "'sha256-" in page.headers["Content-Security-Policy"]
        assert browser.get(f"/review/decisions/{decision_id}").json()["error"]["code"] == "unauthenticated"


def test_a_key_is_exchanged_for_a_session(service: Running, decision_id: str) -> None:
    with service.client(None) as browser:
        made = _sign_in(browser, service.hospital.keys["compliance"], f"/review/decisions/{decision_id}")
        assert (made.status_code, made.headers["Location"]) == (303, f"/review/decisions/{decision_id}")
        cookie = made.headers["Set-Cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/review"))
        assert service.hospital.keys["compliance"] not in cookie
        assert browser.get("/review", headers=HTML).status_code == 200
        assert browser.get("/v1/models").status_code == 401
        page = browser.get("/review", headers=HTML).text
        token = re.search(r'name="token" value="([0-9a-f]+)"', page)
        assert token is not None
        assert browser.post("/review/sign-out", data={"token": "0" * 64}).status_code == 403
        assert browser.post("/review/sign-out", data={"token": token.group(1)}).status_code == 303
        assert browser.get("/review", headers=HTML).status_code == 401


def test_signing_in_is_refused(service: Running) -> None:
    with service.client(None) as browser:
        wrong = browser.post("/review/sign-in", data={"key": "wrong", "after": "/review"}, headers=HTML)
        assert (wrong.status_code, "Set-Cookie" in wrong.headers) == (401, False)
        assert "wrong" not in wrong.text.replace('class="alarm"', "")
        assert _sign_in(browser, service.hospital.keys["outreach"]).status_code == 403
        key = service.hospital.keys["compliance"]
        for after in ("https://elsewhere.example/", "//elsewhere.example", "/review//elsewhere.example", "/v1/models"):
            assert _sign_in(browser, key, after).headers["Location"] == "/review"
        elsewhere = browser.post(
            "/review/sign-in", data={"key": key, "after": "/review"}, headers={"Origin": "https://elsewhere.example"}
        )
        assert elsewhere.status_code == 403


def test_a_refused_decision_has_a_page(outreach: httpx.Client, compliance: httpx.Client) -> None:
    asked = {"patient_id": "objects", "tasks": ["churn_90d"], "purpose": "care_followup"}
    decision = outreach.post("/v1/score", json=asked).json()["decisions"][0]
    page = compliance.get(f"/review/decisions/{decision['decision_id']}?lang=en")
    assert page.status_code == 200
    assert "send to a person" in page.text
    assert "<svg" not in page.text


def test_a_decision_that_is_not_there_is_a_page(compliance: httpx.Client) -> None:
    page = compliance.get("/review/decisions/" + "0" * 32 + "?lang=en", headers=HTML)
    assert page.status_code == 404
    assert "There is no such decision or list." in page.text


def test_a_self_test_has_a_page(outreach: httpx.Client, compliance: httpx.Client) -> None:
    answers: dict[str, object] = {"age": 52, "sex": "male", "height_cm": 171, "weight_kg": 84}
    answers |= {"family_diabetes": True, "told_diabetes": False}
    told = outreach.post("/v1/self-test/self_test_diabetes", json={"answers": answers, "consent": True}).json()
    assert compliance.get(f"/review/decisions/{told['decision_id']}").status_code == 200
