"""Model repositories for NVIDIA Triton: adapters of the core's `BlobStore` port."""

from triton_deploy_storage.opening import open_store

__all__ = ["open_store"]
