"""Links between files of the repository, made to links between pages of the site.

Pages are written so that their links work where the repository is read. On the site, the files
below ``docs/`` and some others are pages; of what is not, the name is enough.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from pathlib import Path

_FENCE = re.compile(r"^\s*(```+|~~~+)")
_LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^()\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|#|/")


class BrokenLinkError(Exception):
    """A link to a file that the repository does not have."""


def outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """Change each line that is not in a fenced block."""
    lines, fence = [], ""
    for line in markdown.splitlines():
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and line.strip() == fence:
            fence = ""
        lines.append(line if fence or mark else change(line))
    return "\n".join(lines) + "\n"


def site_links(
    markdown: str, *, source: str, page: str, root: Path, pages: Mapping[str, str]
) -> str:
    """Rewrite the links of a page.

    Args:
        markdown: the page.
        source: the file that it comes from, relative to the repository.
        page: where it is on the site, relative to its root.
        root: the repository.
        pages: file of the repository → page of the site, for files outside of ``docs/``.

    Raises:
        BrokenLinkError: a target is not there.
    """
    here = posixpath.dirname(page)

    def rewritten(match: re.Match[str]) -> str:
        text, target = match["text"], match["target"]
        if _ELSEWHERE.match(target):
            return match[0]
        path, hash_mark, anchor = target.partition("#")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        to = pages.get(wanted)
        if to is None and wanted.startswith("docs/"):
            to = wanted.removeprefix("docs/")
            to = f"{to}/index.md" if (root / wanted).is_dir() or to == "adr" else to
        if to is not None:
            return f"[{text}]({posixpath.relpath(to, here or '.')}{hash_mark}{anchor})"
        if not (root / wanted).exists():
            raise BrokenLinkError(f"{source}: a link to {target}, which is not there")
        return text

    return outside_code(markdown, lambda line: _LINK.sub(rewritten, line))
