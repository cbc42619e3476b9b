"""Copies that stand in for what serves while its own files are replaced in their place.

A server that is started meanwhile serves the old model from the copies, under other version
numbers, and reads the labels of its outputs from copies too (Triton takes a ``label_filename`` in
any directory of the model; seen on Triton 2.51).
"""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from triton_deploy_core import layout
from triton_deploy_core.bookkeeping import SAVED
from triton_deploy_core.policy import policy_of
from triton_deploy_core.ports.config_format import ConfigFormat, Specific
from triton_deploy_core.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class StandIn:
    """Copies, and the configuration under which they serve and what they stand for does not.

    Attributes:
        copies: path inside the model's directory → path of its copy there.
        config: it shows just what served before.
    """

    copies: Mapping[str, str]
    config: bytes

    @property
    def versions(self) -> frozenset[int]:
        """The version numbers that the copies take."""
        return layout.versions(self.copies.values())


def stand_in(
    now: Snapshot, changing: Collection[str], *, taken: frozenset[int], configs: ConfigFormat
) -> StandIn | None:
    """Return what has to stand in while files change; None where no file that is in use does.

    The copies get the lowest numbers that are free: below those of most models (0 is a version),
    so that the default policy, which picks the highest, does not see them.

    Args:
        now: what there is.
        changing: paths that are replaced, removed, or come into a version that serves.
        taken: versions that there are, or will be.
        configs: reads and rewrites configurations.
    """
    serving = policy_of(now.config, configs).visible(now.versions)
    threatened = serving & layout.versions(changing)
    free = (number for number in itertools.count() if number not in taken)
    numbers = {number: next(free) for number in sorted(threatened)}
    copies = {
        path: f"{numbers[number]}/{path.partition('/')[2]}"
        for path in now.files
        if (number := layout.version_of(path)) in numbers
    }
    renamed = {}
    for label_file in configs.label_files(now.config or b"") if serving else ():
        path = posixpath.normpath(label_file)
        if path in changing and path in now.files:
            copies.setdefault(path, SAVED + path)
        if path in copies:
            renamed[label_file] = copies[path]
    if not copies:
        return None
    shown = Specific(serving - threatened | frozenset(numbers.values()))
    config = configs.with_version_policy(now.config or b"", shown)
    return StandIn(copies, configs.with_label_files(config, renamed) if renamed else config)
