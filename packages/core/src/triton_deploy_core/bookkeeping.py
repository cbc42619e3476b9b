"""Where the bookkeeping files of a deployment lie: plain files in the repository's root.

Triton takes only directories for models, so plain files there are invisible to it. The ``@`` is
in no deployment's name: a bookkeeping file can't be taken for another deployment's directory.

Only copies of large files wait inside the model's directory, where they can be had without a
second directory in the root; no model may bring files to that place.
"""

from __future__ import annotations

import hashlib
import re

from triton_deploy_core.names import DeploymentName

OWN_DIRECTORY = ".deploy/"
"""Ours inside of every model: it does not start with a digit, so it is no version to Triton."""

SAVED = f"{OWN_DIRECTORY}saved/"
"""Where copies of replaced files wait, at the same path below it."""

_MAX_STEM = 180
_KEY = re.compile(r"\.([^@/]+)\.@[a-z]+(?:\.[0-9a-f]+)?", re.ASCII)


def journal_key(name: DeploymentName) -> str:
    """Return the key of the lease on a name, with the journal of its holder: see `lease`."""
    return f".{_stem(name)}.@journal"


def digests_key(name: DeploymentName) -> str:
    """Return the key of what is known of the bytes of a deployment's files."""
    return f".{_stem(name)}.@digests"


def fence_key(name: DeploymentName) -> str:
    """Return the key of the version numbers that are never given again: see `fence`."""
    return f".{_stem(name)}.@fence"


def behind_key(name: DeploymentName) -> str:
    """Return the key of who was left behind by operations on a name."""
    return f".{_stem(name)}.@behind"


def parts_key(name: DeploymentName) -> str:
    """Return the key of which parts of an ensemble the next operation on it has to see to.

    It starts with the journal's: whether anything of a name waits is found out by one list.
    """
    return f".{_stem(name)}.@journalparts"


def own_keys(name: DeploymentName) -> frozenset[str]:
    """Return the keys of all bookkeeping files that a name can have."""
    return frozenset(
        key(name) for key in (journal_key, digests_key, fence_key, behind_key, parts_key)
    )


def own_prefix(name: DeploymentName) -> str:
    """Return what the keys of all bookkeeping files of a name start with, and no others."""
    return f".{_stem(name)}.@"


def name_of(key: str) -> DeploymentName | None:
    """Return whose bookkeeping file a key is; None for other files, and where only a digest says.

    A file of a name that is too long for it tells no more than that name's beginning.
    """
    found = _KEY.fullmatch(key)
    return DeploymentName(found[1]) if found and DeploymentName.is_valid(found[1]) else None


def _stem(name: DeploymentName) -> str:
    """The name itself, or where a file of that name would be too long, a digest of it."""
    if len(name.value) <= _MAX_STEM:
        return name.value
    digest = hashlib.sha256(name.value.encode()).hexdigest()[:32]
    return f"{name.value[:_MAX_STEM]}@{digest}"
