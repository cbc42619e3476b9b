"""The blocks of code in the pages, each with how a test sees to it that it is right.

Above each block of shell, console or Python stands a comment that readers don't see::

    <!-- block: run -->

| how | |
|---|---|
| ``run`` | it is run, in the page's order, and what it prints is compared with what is shown |
| ``run status=1`` | it has to fail so |
| ``run any-order`` | lines may come in another order than is shown |
| ``file NAME`` | it is what the page says to save under this name |
| ``server`` | it starts a server: its command is parsed, and the tests' own server stands for it |
| ``parsed`` | it can't be run in a test: every command is read by its own parser |
| ``compiled`` | Python that can't be run in a test: compiled, and what it imports is imported |
| ``seen TEST`` | another test runs it; its commands are parsed too |

``<!-- before: NAME -->`` names what has to be there before it is run.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLASSIFIED = frozenset({"shell", "console", "python"})
"""Languages of blocks that say how they are tested."""

WAYS = frozenset({"run", "file", "server", "parsed", "compiled", "seen"})

_OPENING = re.compile(r"^ *```(?P<language>[a-z]*)")
_COMMENT = re.compile(r"^ *<!-- (?P<word>block|before): (?P<rest>.+?) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        where: file and line, for messages.
        language: as the fence says; may be empty.
        text: without the fence's indentation.
        way: one of `WAYS`; empty where nobody said.
        arguments: what stands behind it.
        before: what has to be there.
    """

    where: str
    language: str
    text: str
    way: str = ""
    arguments: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def commands(self) -> list[tuple[str, list[str]]]:
        """Return what is typed, each with the lines that are shown below it.

        In a block of shell there are no such lines. A line that ends in a backslash goes on.
        """
        found: list[tuple[str, list[str]]] = []
        goes_on = False
        for line in self.text.splitlines():
            if goes_on:
                found[-1] = f"{found[-1][0]}\n{line}", []
            elif self.language == "shell":
                found.append((line, []))
            elif line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif found:
                found[-1][1].append(line)
            goes_on = line.endswith("\\")
        return [(command, shown) for command, shown in found if command.strip()]


def pages(root: Path) -> list[Path]:
    """Return the files that readers have: the pages, and what is included in the site."""
    named = [root / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")]
    return [
        *named,
        *sorted((root / "packages").glob("*/README.md")),
        *sorted((root / "docs").rglob("*.md")),
    ]


def blocks(path: Path, root: Path) -> Iterator[Block]:
    """Yield the blocks of a page, in their order."""
    comments: dict[str, list[str]] = {"block": [], "before": []}
    lines = iter(enumerate(path.read_text().splitlines(), 1))
    for number, line in lines:
        opening, comment = _OPENING.match(line), _COMMENT.match(line)
        if comment:
            comments[comment["word"]] += comment["rest"].split()
        elif opening:
            inside = []
            for _, content in lines:
                if content.strip() == "```":
                    break
                inside.append(content)
            way, *arguments = comments["block"] or [""]
            yield Block(
                where=f"{path.relative_to(root)}:{number}",
                language=opening["language"],
                text=textwrap.dedent("\n".join(inside)) + "\n",
                way=way,
                arguments=tuple(arguments),
                before=tuple(comments["before"]),
            )
        if not comment and line.strip():
            comments = {"block": [], "before": []}
