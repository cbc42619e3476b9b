"""Copying a model's tree, in pieces and without leaving it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from triton_deploy_core.errors import ModelSourceError

if TYPE_CHECKING:
    from triton_deploy_core.model_tree import ModelTree
    from triton_deploy_core.ports.progress import Progress
    from triton_deploy_core.ports.store import LocalFile

PIECE = 4 * 1024 * 1024
"""Bytes read at once: memory does not grow with the model."""

# Windows knows no O_NOFOLLOW, and needs O_BINARY.
_READ_NO_LINK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def copy_tree(tree: ModelTree[LocalFile], target: Path, progress: Progress) -> None:
    """Copy a tree's files and directories into a new directory.

    Raises:
        ModelSourceError: a file can't be read, or the target can't be written.
    """
    progress.step(f"copying {len(tree.files)} files")
    try:
        progress.total(sum(file.size for file in tree.files.values()))
        target.mkdir(parents=True)
        for directory in sorted(tree.directories):
            (target / directory).mkdir(parents=True, exist_ok=True)
        for name, source in sorted(tree.files.items()):
            _copy_file(source.path, target / name, progress)
    except OSError as error:
        message = (
            f"{error.filename or target} can't be copied: {error.strerror}. Check its permissions, "
            "and the disk."
        )
        raise ModelSourceError(message) from error


def _copy_file(source: Path, target: Path, progress: Progress) -> None:
    # Links were resolved when the tree was read: one that is here now was put here since.
    descriptor = os.open(source, _READ_NO_LINK)
    with os.fdopen(descriptor, "rb") as reader, target.open("xb") as writer:
        while piece := reader.read(PIECE):
            writer.write(piece)
            progress.advance(len(piece))
