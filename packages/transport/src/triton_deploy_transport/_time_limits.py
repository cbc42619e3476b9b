"""Limits in seconds, as a caller may set them."""

from __future__ import annotations

import math

from triton_deploy_core.errors import InvalidSettingError


def seconds(value: float, name: str) -> float:
    """Return a limit.

    Raises:
        InvalidSettingError: it is no positive, finite number; the message says `name`.
    """
    if not (value > 0 and math.isfinite(value)):
        message = f"{name} is {value}: give a positive number of seconds"
        raise InvalidSettingError(message)
    return value
