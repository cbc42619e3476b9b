"""Which pages the site has beside those in ``docs/``, and what is filled into those."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from docsite import benchmark_tables, command_help, settings_tables
from docsite.decisions import decisions

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
_RUN = DOCS / "benchmarks.json"
_PACKAGES = ("core", "storage", "transport", "local-server", "mlflow-plugin", "publish-cli")

INCLUDED: Mapping[str, str] = {
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "README.md": "index.md",
    "benchmarks/README.md": "project/benchmarks.md",
    **{f"packages/{name}/README.md": f"packages/{name}.md" for name in _PACKAGES},
}
"""File of the repository → page of the site. The site's first page is its own."""

_MADE: Mapping[str, Callable[[], str]] = {
    "settings": settings_tables.settings,
    "settings of flavors": settings_tables.settings_of_flavors,
    "flavors": settings_tables.flavors,
    "verbs": command_help.verbs,
    "help": command_help.help_of_target,
    "programs": command_help.help_of_programs,
    "machine": lambda: benchmark_tables.machine(_RUN),
    "plots": lambda: benchmark_tables.plots_and_tables(_RUN),
    "decisions": lambda: decisions(DOCS / "adr"),
}
_MARK = re.compile(r"^<!-- made: (?P<what>.+?) -->$", re.MULTILINE)
_COMMENT = re.compile(r"^ *<!-- .*? -->\n", re.MULTILINE | re.DOTALL)


def filled(markdown: str) -> str:
    """Put what is made in its places, and drop the other comments.

    Raises:
        KeyError: nobody makes what a page asks for.
    """
    return _COMMENT.sub("", _MARK.sub(lambda mark: _MADE[mark["what"]](), markdown))


def source_of(page: str) -> str:
    """Return the file of the repository that a page comes from."""
    included = {there: file for file, there in INCLUDED.items()}
    return f"docs/{page}" if (DOCS / page).exists() else included.get(page, f"docs/{page}")
