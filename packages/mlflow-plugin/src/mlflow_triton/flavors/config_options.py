"""What the user asks of a generated ``config.pbtxt``, whatever the backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_deploy_core.errors import InvalidSettingError

if TYPE_CHECKING:
    from mlflow_triton.flavors.packaging import PackageOptions
    from triton_deploy_transport.pbtxt import ModelConfig


def add_options(config: ModelConfig, options: PackageOptions, *, joins_requests: bool) -> None:
    """Add dynamic batching and instances to a configuration that has its ``max_batch_size``.

    Args:
        config: changed in place.
        options: what was asked for.
        joins_requests: whether Triton joins requests to batches where nobody said.

    Raises:
        InvalidSettingError: an option that this configuration can't have.
    """
    dynamic = options.dynamic_batching
    if dynamic and not config.max_batch_size:
        raise InvalidSettingError(
            "dynamic_batching=true can't be had: the model has no batch dimension. "
            "Leave the setting out, or see whether the model takes max_batch_size."
        )
    if joins_requests if dynamic is None else dynamic:
        config.dynamic_batching.SetInParent()
    if options.instance_count is None:
        return
    if options.instance_count < 1:
        message = f"instance_count={options.instance_count} is too small. Use 1 or more."
        raise InvalidSettingError(message)
    config.instance_group.add(count=options.instance_count)
