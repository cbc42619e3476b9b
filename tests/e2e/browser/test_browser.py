"""The browser that tests of pages share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

CONTENT = b"""<!doctype html><title>A page</title><h1>Before</h1>
<script>
  document.cookie = "seen=" + document.cookie.length;
  fetch("http://elsewhere.example/").catch(() => {
    document.querySelector("h1").textContent = "No internet, cookies: " + document.cookie;
  });
</script>"""


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("visit", [1, 2])
def test_a_page_runs_scripts_apart_from_the_internet_and_other_tests(
    page: Page, site: str, visit: int
) -> None:
    page.goto(site)
    expect(page.locator("h1")).to_have_text("No internet, cookies: seen=0")
    assert page.title() == "A page"
