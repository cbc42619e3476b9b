"""The list of decisions, made from their files."""

from __future__ import annotations

from pathlib import Path


def decisions(directory: Path) -> str:
    """Return the table of decisions.

    Args:
        directory: where they are, one file each.
    """
    rows = ["| | decision |", "|---|---|"]
    for path in decision_files(directory):
        number, _, title = path.read_text().splitlines()[0].lstrip("# ").partition(". ")
        rows.append(f"| {number} | [{title}]({path.name}) |")
    return "\n".join(rows)


def decision_files(directory: Path) -> list[Path]:
    """Return the files of all decisions, in their order."""
    return sorted(directory.glob("[0-9]*.md"))
