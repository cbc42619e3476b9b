"""NVIDIA Triton over HTTP and gRPC, and ``config.pbtxt`` read, checked and written.

`connect` picks the adapter for a server's URL, and makes a fleet of several;
`connect_for_requests` spreads requests to models over them; `without_secrets` makes a URL of any
kind that they take fit for all to read. The configuration lives in
`triton_deploy_transport.pbtxt` and `triton_deploy_transport.config_check`, which are imported on
their own: besides gRPC, they alone need protobuf.
"""

from triton_deploy_transport._server_url import without_secrets
from triton_deploy_transport.connect import connect, connect_for_requests

__all__ = ["connect", "connect_for_requests", "without_secrets"]
