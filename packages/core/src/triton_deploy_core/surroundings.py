"""What every operation works with."""

from __future__ import annotations

from dataclasses import dataclass

from triton_deploy_core.clock import Clock, Deadline
from triton_deploy_core.ports.config_format import ConfigFormat
from triton_deploy_core.ports.progress import Progress
from triton_deploy_core.ports.server import InferenceServer


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every operation works with. `timeout` is in seconds, for one load or unload."""

    server: InferenceServer
    configs: ConfigFormat
    progress: Progress
    clock: Clock
    timeout: float
    location: str

    def deadline(self) -> Deadline:
        """Return the deadline of a load or unload that begins now."""
        return Deadline.after(self.timeout, self.clock)
