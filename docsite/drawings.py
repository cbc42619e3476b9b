"""Drawings for light and dark pages: a dark one is the light one in other colours."""

from __future__ import annotations

import re

LIGHT_TO_DARK = {
    "#ffffff": "#1e2129",  # behind everything
    "#1f2933": "#e4e7eb",  # text, lines
    "#52606d": "#9aa5b1",  # text and lines of less weight
    "#cbd2d9": "#4b5563",  # grids, borders
    "#f3f5f7": "#272b35",  # areas
    "#e3f2e1": "#23402a",  # areas that stand out: ours
    "#3d7a35": "#8fcf84",  # lines and bars that stand out: ours
    "#e1ecf7": "#20364d",  # areas of others
    "#2b6cb0": "#7db4ec",  # lines and bars of others
    "#b7791f": "#e9b44c",  # a third kind
    "#fdf0d5": "#453719",  # areas of a third kind
}
"""Every colour that a drawing may have → the one that stands for it on dark pages."""

_IMAGE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<path>[^)#\s]+)\.svg\)")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")


def darkened(drawing: str) -> str:
    """Return an SVG in the colours of dark pages.

    Raises:
        ValueError: it has a colour that nobody has a dark one for.
    """

    def dark(match: re.Match[str]) -> str:
        colour = match[0].lower()
        if colour not in LIGHT_TO_DARK:
            raise ValueError(f"{colour}: a drawing has this colour, and LIGHT_TO_DARK has not")
        return LIGHT_TO_DARK[colour]

    return _COLOUR.sub(dark, drawing)


def in_both_schemes(markdown: str) -> str:
    """Show each drawing in the colours of the page that it is on."""
    return _IMAGE.sub(
        r"![\g<text>](\g<path>.svg#only-light)![\g<text>](\g<path>-dark.svg#only-dark)", markdown
    )
