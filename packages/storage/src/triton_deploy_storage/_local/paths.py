"""From keys to paths, and which of them may be followed."""

from __future__ import annotations

import os
import re

from triton_deploy_core.errors import StoreAccessError
from triton_deploy_core.keys import enclosing
from triton_deploy_core.shown import shown

LOCK_FILE = ".triton-deploy.lock"
STAGED = re.compile(r"\.triton-deploy-[0-9a-f]{32}\.tmp")


def check_not_reserved(key: str) -> None:
    """Refuse the names that the store keeps for its own lock and unfinished files.

    Raises:
        ValueError: `key` is one of them.
    """
    if key == LOCK_FILE or any(STAGED.fullmatch(name) for name in key.split("/")):
        raise ValueError(f"{key!r} is a name that the store keeps for itself: choose another")


def reading_path(root: str, key: str) -> str:
    """Return the real path of a key, symbolic links followed as long as they stay in the root.

    Raises:
        StoreAccessError: a link leads out of the root.
    """
    real_root = os.path.realpath(root)
    real = os.path.realpath(os.path.join(real_root, key))
    if os.path.commonpath([real_root, real]) != real_root:
        raise StoreAccessError(
            f"will not read {shown(os.path.join(root, key))}: it is or lies behind a symbolic "
            "link that leads out of the model repository; replace the link by what it leads to"
        )
    return real


def changing_path(root: str, key: str) -> str:
    """Return the path of a key that is to be written or deleted: no directory in it is a link.

    Not even a link within the root is followed: what changed behind it would be a neighbour's.

    Raises:
        StoreAccessError: a directory in the path is a symbolic link.
    """
    for directory in enclosing(key):
        path = os.path.join(root, directory.removesuffix("/"))
        if os.path.islink(path):
            raise StoreAccessError(
                f"will not change {shown(os.path.join(root, key))}: {shown(path)} is a symbolic "
                "link; replace it by a directory"
            )
    return os.path.join(root, key.removesuffix("/"))
