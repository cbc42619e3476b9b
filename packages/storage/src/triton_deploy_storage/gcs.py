"""A model repository in a bucket of Google Cloud Storage.

Needs the extra ``gcs``; the library asks for credentials when the store is first used.
"""

from triton_deploy_storage._gcs.limits import Limits
from triton_deploy_storage._gcs.location import GcsLocation
from triton_deploy_storage._gcs.objects import GcsObjects
from triton_deploy_storage._gcs.store import GcsStore

__all__ = ["GcsLocation", "GcsObjects", "GcsStore", "Limits"]
