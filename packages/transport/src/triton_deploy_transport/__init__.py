"""NVIDIA Triton over HTTP and gRPC, and ``config.pbtxt`` read, checked and written.

`connect` picks the adapter for a server's URL. The configuration lives in
`triton_deploy_transport.pbtxt` and `triton_deploy_transport.config_check`, which are imported on
their own: besides gRPC, they alone need protobuf.
"""

from triton_deploy_transport.connect import connect

__all__ = ["connect"]
