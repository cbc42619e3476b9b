"""A headless Chromium for tests of pages.

The fixtures `browser` and `page` are Playwright's, which drives the Chromium of the system, not
one that it downloads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no Chromium on this machine: apt-get install --no-install-recommends chromium"
# No page has anything to ask of the internet, nor has the browser itself.
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--no-first-run",
    "--no-proxy-server",
    "--no-sandbox",  # it does not start for root otherwise
]
PATIENCE_MS = 60_000


def _chromium() -> str:
    found = next((path for path in map(shutil.which, COMMANDS) if path), None)
    if found is None and "CI" in os.environ:
        pytest.fail(MISSING)
    if found is None:
        pytest.skip(MISSING)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium without a window, with a profile of its own.

    A module's, not a session's: as long as Playwright runs, its event loop counts as running in
    this thread, and no other test could call `asyncio.run`. It starts within two seconds.
    """
    chromium = _chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=FLAGS, timeout=PATIENCE_MS
        )
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page; cookies, storage and cache are the test's own."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    yield context.new_page()
    context.close()
