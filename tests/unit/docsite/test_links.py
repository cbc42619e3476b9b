"""Links of the repository's files become links of the site's pages."""

from __future__ import annotations

import pytest
from docsite.drawings import darkened, in_both_schemes
from docsite.links import BrokenLinkError, site_links


@pytest.fixture
def rewritten(tmp_path):
    (tmp_path / "docs" / "adr").mkdir(parents=True)
    (tmp_path / "deploy").mkdir()

    def run(markdown: str, source: str, page: str) -> str:
        pages = {"packages/core/README.md": "packages/core.md"}
        return site_links(markdown, source=source, page=page, root=tmp_path, pages=pages).strip()

    return run


@pytest.mark.parametrize(
    ("link", "becomes"),
    [
        ("[a](../docs/fleets.md#see-it)", "[a](../fleets.md#see-it)"),
        ("[`a`](../docs/adr/)", "[`a`](../adr/index.md)"),
        ("[a](../packages/core/README.md)", "[a](core.md)"),
        ("[a](../deploy)", "a"),
        ("[a](https://mlflow.org/)", "[a](https://mlflow.org/)"),
        ("[a](#here)", "[a](#here)"),
        ("![a](../docs/a.svg)", "![a](../docs/a.svg)"),
        ("```\n[a](nowhere.md)\n```", "```\n[a](nowhere.md)\n```"),
    ],
)
def test_links(rewritten, link, becomes):
    assert rewritten(link, "benchmarks/README.md", "packages/benchmarks.md") == becomes


def test_a_link_to_nothing_is_an_error(rewritten):
    with pytest.raises(BrokenLinkError, match=r"README\.md: a link to nowhere\.md"):
        rewritten("[a](nowhere.md)", "README.md", "index.md")


def test_a_drawing_is_there_for_both_kinds_of_pages():
    assert in_both_schemes("![A b](images/a.svg)") == (
        "![A b](images/a.svg#only-light)![A b](images/a-dark.svg#only-dark)"
    )
    assert darkened('<rect fill="#FFFFFF"/>') == '<rect fill="#1e2129"/>'
    with pytest.raises(ValueError, match="#123456"):
        darkened('<rect fill="#123456"/>')
