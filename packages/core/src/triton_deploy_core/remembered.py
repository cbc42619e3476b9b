"""How a version was deployed, written down so that it can come back without its model.

It is kept beside the digests, and like these it is not trusted, since others can write it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from triton_deploy_core.keys import check_key
from triton_deploy_core.package import Origin, VersionPackage
from triton_deploy_core.ports.store import Content, Source

_MOST_INLINE = 64 * 1024
"""A larger file beside the versions stays in the repository; no copy of it is written down."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What one version was deployed with. Paths are inside the model's directory.

    Attributes:
        model_uri: see `Origin.model_uri`.
        flavor: see `Origin.flavor`.
        config: see `VersionPackage.config`.
        is_verbatim: see `VersionPackage.config_is_verbatim`.
        inline: path → content of small files beside the versions.
        large: paths of larger ones.
    """

    model_uri: str
    flavor: str
    config: bytes | None
    is_verbatim: bool = False
    inline: Mapping[str, bytes] = field(default_factory=dict)
    large: frozenset[str] = frozenset()

    @classmethod
    def of(cls, package: VersionPackage, read: Callable[[str], bytes]) -> Remembered:
        """Return what is to be written down of a package that is in place.

        Args:
            package: it.
            read: returns the content of a small file at its place.
        """
        named = package.named_configs()
        inline, large = dict(named), set[str]()
        for path, source in package.beside.items():
            if path in named:
                continue
            if source.size > _MOST_INLINE:
                large.add(path)
            else:
                inline[path] = source.data if isinstance(source, Content) else read(path)
        return cls(
            model_uri=package.origin.model_uri,
            flavor=package.origin.flavor,
            config=package.config,
            is_verbatim=package.config_is_verbatim,
            inline=inline,
            large=frozenset(large),
        )

    def package(self, files: Mapping[str, Source], large: Mapping[str, Source]) -> VersionPackage:
        """Return the package that it was.

        Args:
            files: path inside the version directory → source.
            large: path → source of the larger files beside the versions.
        """
        inline = {path: Content(data) for path, data in self.inline.items()}
        return VersionPackage(
            Origin(self.model_uri, self.flavor),
            files,
            self.config,
            config_is_verbatim=self.is_verbatim,
            beside={**inline, **large},
        )

    def encode(self) -> dict[str, Any]:
        """Return it as JSON's values."""
        return {
            "model_uri": self.model_uri,
            "flavor": self.flavor,
            "config": None if self.config is None else _text(self.config),
            "verbatim": self.is_verbatim,
            "inline": {path: _text(data) for path, data in sorted(self.inline.items())},
            "large": sorted(self.large),
        }

    @classmethod
    def decode(cls, fields: Any) -> Remembered:
        """Read it.

        Raises:
            ValueError: it is none; also `KeyError`, `TypeError`, `AttributeError`.
        """
        inline, large = fields["inline"], frozenset(map(str, fields["large"]))
        for path in (*inline, *large):
            check_key(path)
        config = fields["config"]
        return cls(
            model_uri=str(fields["model_uri"]),
            flavor=str(fields["flavor"]),
            config=None if config is None else _bytes(config),
            is_verbatim=bool(fields["verbatim"]),
            inline={path: _bytes(text) for path, text in inline.items()},
            large=large,
        )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
