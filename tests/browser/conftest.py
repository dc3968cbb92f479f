"""Headless Chromium over the served small hospital."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.service.conftest import hospital, service

__all__ = ["hospital", "service"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Open Chromium; its event loop must end before a test of another module runs one of its own."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()
