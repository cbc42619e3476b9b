"""A model repository in a bucket of Amazon S3, or of a service that speaks its protocol.

Needs the extra ``s3``; boto3 is imported when the store is first used.
"""

from triton_deploy_storage._s3.limits import Limits
from triton_deploy_storage._s3.location import S3Location
from triton_deploy_storage._s3.objects import S3Objects
from triton_deploy_storage._s3.options import ObjectOptions
from triton_deploy_storage._s3.store import S3Store

__all__ = ["Limits", "ObjectOptions", "S3Location", "S3Objects", "S3Store"]
