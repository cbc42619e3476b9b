"""The documentation's site: it is built, nothing of it is broken, and a browser shows it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from docsite.drawings import LIGHT_TO_DARK
from playwright.sync_api import Page, expect

from mlflow_triton.settings import SETTINGS

ROOT = Path(__file__).parents[3]
SECONDS = 240
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `nox -s docs` builds it: a broken link or anchor fails it."""
    directory = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(directory)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


class Read(HTMLParser):
    """What a page loads, and what it says outside of code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.text = ""
        self._quiet = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self._quiet += tag in {"pre", "code", "script", "style"}
        if tag in {"script", "img", "iframe", "source", "video"} and given.get("src"):
            self.loads.append(str(given["src"]))
        if tag == "link" and given.get("rel") != "canonical":
            self.loads.append(str(given["href"]))

    def handle_endtag(self, tag: str) -> None:
        self._quiet -= tag in {"pre", "code", "script", "style"}

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.text += data


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Read]:
    return {
        path.relative_to(site).as_posix(): Read(path.read_text()) for path in site.rglob("*.html")
    }


def test_no_page_loads_anything_from_elsewhere(site, pages):
    for name, page in pages.items():
        assert [url for url in page.loads if re.match(r"[a-z]+:|//", url)] == [], name
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert not re.search(r"url\(['\"]?(https?:|//)|@import", styles)


def test_no_markdown_is_left_over(pages):
    """What GitHub reads as a list or as code, and MkDocs does not."""
    for name, page in pages.items():
        assert not re.search(r"```|\n *[-*] \S|\]\(|<!--|\| *--", page.text), name


def test_every_setting_has_its_place(site):
    settings = (site / "reference" / "settings.html").read_text()
    for setting in SETTINGS:
        assert f"<code>{setting.key}</code>" in settings
        assert not setting.variable or f"<code>{setting.variable}</code>" in settings


def test_every_command_and_decision_is_listed(site):
    commands = (site / "reference" / "commands.html").read_text()
    for command in ("triton-publish", "mlflow-triton rollback", "mlflow-triton reconcile"):
        assert f"Usage: {command} [OPTIONS]" in commands
    assert "usage: python -m triton_local_server" in commands
    decisions = (site / "adr" / "index.html").read_text()
    for path in (ROOT / "docs" / "adr").glob("0*.md"):
        assert f'href="{path.stem}.html"' in decisions


def test_drawings_have_dark_twins(site):
    drawings = {path for path in site.rglob("images/**/*.svg") if not path.stem.endswith("-dark")}
    assert drawings
    for path in drawings:
        dark = path.with_stem(f"{path.stem}-dark").read_text()
        assert LIGHT_TO_DARK["#1f2933"] in dark or path.stem == "favicon"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def watched(page: Page) -> Iterator[Page]:
    """A page that may not fail at anything."""
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    page.on("response", lambda answer: wrong.append(answer.url) if answer.status >= 400 else None)
    yield page
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_follow_the_readers_colours(watched, url, scheme):
    watched.emulate_media(color_scheme=scheme)
    watched.goto(f"{url}explanation/architecture.html")
    expect(watched.locator("h1")).to_contain_text("Architecture", timeout=PATIENCE_MS)
    shown = watched.locator("article img:visible")
    expect(shown).to_have_count(1)
    assert f"#only-{scheme}" in str(shown.get_attribute("src"))
    assert shown.evaluate("image => image.naturalWidth") > 0
    background = watched.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 380) is (scheme == "light")


def test_search_finds_a_page(watched, url):
    watched.goto(f"{url}index.html")
    words = watched.locator(".md-search__input")
    words.fill("keep_versions")
    found = watched.locator(".md-search-result__link").first
    deadline = time.monotonic() + SECONDS
    while not found.is_visible():
        assert time.monotonic() < deadline
        words.press("End")  # its script listens to keys, once it has run
        watched.wait_for_timeout(100)
    found.click()
    expect(watched).not_to_have_url(re.compile("index.html"), timeout=PATIENCE_MS)
    expect(watched.locator("article")).to_contain_text("keep_versions", timeout=PATIENCE_MS)


def test_code_is_copied(watched, url):
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    watched.goto(f"{url}tutorial.html")
    watched.locator("div.highlight", has_text="sqlite:///$PWD/mlflow.db").locator("button").click()
    copied = watched.wait_for_function("() => navigator.clipboard.readText()")
    assert "export MLFLOW_TRACKING_URI=sqlite:///$PWD/mlflow.db" in copied.json_value()
