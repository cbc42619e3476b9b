"""What MkDocs calls while it builds: adds the pages that are made, and makes links fit the site."""

from __future__ import annotations

from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docsite.decisions import decision_files
from docsite.drawings import darkened, in_both_schemes
from docsite.links import site_links
from docsite.pages import DOCS, INCLUDED, ROOT, filled, source_of
from docsite.python_pages import python_pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put every decision into the navigation, where it says ``adr/``."""
    decisions = ["adr/index.md", *(f"adr/{path.name}" for path in decision_files(DOCS / "adr"))]
    for section in config.nav or []:
        for pages in section.values():
            for entry in pages if isinstance(pages, list) else []:
                if isinstance(entry, dict) and entry.get("Decisions") == "adr/":
                    entry["Decisions"] = decisions
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that come from elsewhere, and the dark twin of each drawing."""
    made = python_pages()
    for file, page in INCLUDED.items():
        if not (DOCS / page).exists():
            made[page] = (ROOT / file).read_text()
    for drawing in sorted((DOCS / "images").rglob("*.svg")):
        path = drawing.relative_to(DOCS)
        made[path.with_stem(f"{path.stem}-dark").as_posix()] = darkened(drawing.read_text())
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fill in what is made, and make links and drawings fit the site."""
    uri = page.file.src_uri
    linked = site_links(
        filled(markdown), source=source_of(uri), page=uri, root=ROOT, pages=INCLUDED
    )
    return in_both_schemes(linked)
