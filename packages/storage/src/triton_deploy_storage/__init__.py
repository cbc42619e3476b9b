"""Model repositories for NVIDIA Triton: adapters of the core's `BlobStore` port."""

from triton_deploy_storage.opening import open_store
from triton_deploy_storage.opening_objects import open_objects

__all__ = ["open_objects", "open_store"]
