"""The reviewer's page in a browser: signing in by keyboard, reading, both languages, nothing fetched elsewhere."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.service.conftest import Running


@pytest.fixture
def decision_id(service: Running) -> str:
    asked = {"patient_id": "ok-1", "tasks": ["diabetes_12m"], "purpose": "care_followup"}
    with service.client() as client:
        return str(client.post("/v1/score", json=asked).json()["decisions"][0]["decision_id"])


@pytest.fixture
def list_id(service: Running) -> str:
    asked = {"patient_id": "ok-1", "k": 5, "channel": "app", "purpose": "health_education"}
    with service.client() as client:
        return str(client.post("/v1/recommend", json=asked).json()["list_id"])


@pytest.fixture
def page(browser: Browser, service: Running) -> Iterator[Page]:
    """A page that fails the test on a console error, a refused style or a request to another host."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, base_url=service.url)
    opened, wrong = context.new_page(), []
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: None if request.url.startswith(service.url) else wrong.append(request.url))
    yield opened
    context.close()
    assert [text for text in wrong if "401" not in text and "favicon" not in text] == []


def _open(page: Page, service: Running, path: str) -> None:
    page.goto(path)
    page.get_by_label("密钥").fill(service.hospital.keys["compliance"])
    page.keyboard.press("Enter")
    page.wait_for_selector("form[action='/review/sign-out']")


def test_the_page_is_reached_by_keyboard_and_reads(page: Page, service: Running, decision_id: str) -> None:
    page.goto(f"/review/decisions/{decision_id}")
    page.wait_for_selector("#key:focus")
    page.keyboard.type(service.hospital.keys["compliance"])
    page.keyboard.press("Enter")
    page.wait_for_selector("svg.waterfall")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert "新发糖尿病" in page.locator("h1").inner_text()
    assert "它们不是原因，不是百分点" in page.locator(".honest").inner_text()
    assert page.locator("svg.waterfall rect").count() >= 3
    assert page.locator("table.values code").filter(has_text="ok-1-observations-9").count() >= 1
    page.get_by_role("link", name="English").press("Enter")
    page.wait_for_selector("html[lang=en]")
    assert "not percentage points" in page.locator(".honest").inner_text()


def test_the_drawing_and_the_table_say_the_same(page: Page, service: Running, decision_id: str) -> None:
    _open(page, service, f"/review/decisions/{decision_id}")
    drawn = page.locator("svg .number").all_text_contents()
    rows = page.locator("table.steps > tbody > tr > td").all_text_contents()
    assert drawn[0] == rows[0]
    assert drawn[-1] == rows[-1]
    assert drawn[1:5] == rows[1:5]
    group = page.locator("table.steps details").first
    assert not group.locator("table").is_visible()
    group.locator("summary").press("Enter")
    assert group.locator("table").is_visible()


def test_a_list_reads_and_opens_by_keyboard(page: Page, service: Running, list_id: str) -> None:
    _open(page, service, "/review")
    page.get_by_role("link", name=list_id).press("Enter")
    page.wait_for_selector("table.items")
    assert page.locator("table.items > tbody > tr").count() == 5
    assert "与记录逐位一致" in page.locator("main").inner_text()
    page.get_by_role("link", name="English").press("Enter")
    page.wait_for_selector("html[lang=en]")
    assert "None of them is a cause." in page.locator(".honest").inner_text()
    reasons = page.locator("table.items details").first
    assert not reasons.locator("table").is_visible()
    reasons.locator("summary").press("Enter")
    assert reasons.locator("table").is_visible()


@pytest.mark.parametrize(("width", "zoom"), [(1200, 1), (600, 2), (390, 1)])
def test_nothing_is_cut_off(
    browser: Browser, service: Running, decision_id: str, list_id: str, width: int, zoom: int
) -> None:
    """At 200 % zoom and on a telephone the page itself never scrolls sideways."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        device_scale_factor=zoom,
        base_url=service.url,
        extra_http_headers=service.hospital.headers("compliance"),
    )
    page = context.new_page()
    for tongue, each in itertools.product(("zh", "en"), (decision_id, list_id)):
        page.goto(f"/review/decisions/{each}?lang={tongue}")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        boxes = page.evaluate(
            """() => [...document.querySelectorAll('svg.waterfall text')].map(text => {
                const box = text.getBBox(), view = text.ownerSVGElement.viewBox.baseVal;
                return box.x >= 0 && box.x + box.width <= view.width && box.y >= 0;
            })"""
        )
        assert all(boxes)
    context.close()


def test_markup_in_a_record_is_inert(page: Page, service: Running) -> None:
    """Text that came with an event is shown as text."""
    event = {
        "table": "diagnoses",
        "patient_id": "ok-2",
        "event_id": "marked-up",
        "time": "2025-06-29T08:00:00+08:00",
        "source": "<img src=x onerror=alert(1)>",
        "code_system": "ICD-10",
        "code": "I25.1",
    }
    with service.client() as client:
        assert client.post("/v1/events", json={"events": [event]}).json()["counts"] == {"stored": 1}
        asked = {"patient_id": "ok-2", "tasks": ["churn_90d"], "purpose": "care_followup"}
        decision_id = client.post("/v1/score", json=asked).json()["decisions"][0]["decision_id"]
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    _open(page, service, f"/review/decisions/{decision_id}")
    assert page.locator("td").filter(has_text="<img src=x").count() >= 1
    assert page.locator("table.values img").count() == 0


def test_signing_out_ends_the_session(page: Page, service: Running) -> None:
    _open(page, service, "/review")
    page.get_by_role("button", name="退出").press("Enter")
    page.wait_for_selector("input[type=password]")
    assert re.search(r"登录", page.locator("h1").inner_text())
    page.goto("/review")
    assert page.locator("input[type=password]").count() == 1
