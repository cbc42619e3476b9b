"""What a scorecard is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Scorecard:
    """A base score, and by feature the points of each bin.

    Attributes:
        features: their names, in the order in which they were written.
    """

    features: tuple[str, ...]

    @classmethod
    def parse(cls, document: Any) -> Scorecard:
        """Read ``{"base": 500, "features": {"age": [[None, 25, -20], [25, None, 30]]}}``.

        A bin is its lower border, its upper one, which is not part of it, and its points; a border
        that is None is none.

        Raises:
            ValueError: it is no scorecard.
        """
        features = document.get("features") if isinstance(document, Mapping) else None
        if not isinstance(features, Mapping) or not features:
            raise ValueError("it has no features")
        if not _is_number(document.get("base")):
            raise ValueError("its base is no number")
        for name, bins in features.items():
            if not isinstance(bins, list) or not all(map(_is_bin, bins)):
                raise ValueError(f"feature {name!r} needs bins of [lower, upper, points]")
        return cls(tuple(map(str, features)))


def _is_bin(item: Any) -> bool:
    if not isinstance(item, list) or len(item) != 3:  # noqa: PLR2004
        return False
    *borders, points = item
    return _is_number(points) and all(one is None or _is_number(one) for one in borders)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
