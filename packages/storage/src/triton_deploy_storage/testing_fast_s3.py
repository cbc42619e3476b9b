"""S3 for benchmarks, and for tests that need ten thousand objects: a server that takes no time.

Needs the extra ``s3``. It answers some 10,000 requests a second on one core, where moto answers a
hundred, but knows no copies, keeps of objects over 1 MiB the size alone, and checks no signature.
"""

from __future__ import annotations

from triton_deploy_storage.testing_process import ChildServer

_PROGRAM = """
import asyncio
from triton_deploy_storage._fast_s3.connection import serve
asyncio.run(serve({latency}, verify={verify}))
"""


class FastS3(ChildServer):
    """The server, for as long as a ``with`` block.

    Args:
        latency: seconds that each answer waits.
        verify: check the checksums that requests carry.
    """

    def __init__(self, *, latency: float = 0.0, verify: bool = False) -> None:
        program = _PROGRAM.format(latency=latency, verify=verify)
        super().__init__(program, package="triton-deploy-storage[s3]")
