"""A model repository in a directory of this machine, or of a file system that is mounted on it."""

from triton_deploy_storage._local.store import LocalStore

__all__ = ["LocalStore"]
