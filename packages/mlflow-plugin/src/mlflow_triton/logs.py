"""What this project logs, and how a command is made to show it.

Each package logs under the name by which it is imported, as libraries do: a program that embeds one
sets these loggers as it likes. For commands ``TRITON_LOG_LEVEL`` says how much goes to stderr.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from triton_deploy_core.errors import InvalidSettingError

PACKAGES = (
    "mlflow_triton",
    "triton_deploy_core",
    "triton_deploy_storage",
    "triton_deploy_transport",
    "triton_local_server",
)
"""The loggers whose children this project's modules use."""

LEVEL_VARIABLE = "TRITON_LOG_LEVEL"
_OFF = logging.CRITICAL + 1
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": _OFF,
}


if TYPE_CHECKING:
    _Handler = logging.StreamHandler[TextIO]
else:
    _Handler = logging.StreamHandler  # which Python 3.10 does not take an argument of


class _ToStderr(_Handler):
    """Ours, among others that a program may have."""


def wanted_level() -> int | None:
    """Return what ``TRITON_LOG_LEVEL`` says; None where it is not set.

    Raises:
        InvalidSettingError: it is no level.
    """
    text = os.environ.get(LEVEL_VARIABLE, "").strip().lower()
    if not text:
        return None
    if text not in _LEVELS:
        raise InvalidSettingError(
            f"{LEVEL_VARIABLE}={text!r}: it has to be one of {', '.join(_LEVELS)}."
        )
    return _LEVELS[text]


@contextmanager
def logged_as_wanted() -> Iterator[None]:
    """In a command, log as ``TRITON_LOG_LEVEL`` says; in other programs their own set-up holds.

    Raises:
        InvalidSettingError: it is no level.
    """
    level = wanted_level() if click.get_current_context(silent=True) is not None else None
    if level is None:
        yield
        return
    with logged_to_stderr(level):
        yield


@contextmanager
def logged_to_stderr(level: int = logging.INFO) -> Iterator[None]:
    """Have all that this project logs written to stderr, with times in UTC."""
    loggers = [logging.getLogger(name) for name in PACKAGES]
    if any(isinstance(handler, _ToStderr) for handler in loggers[0].handlers):
        yield  # whoever called did it
        return
    handler = _ToStderr(sys.stderr)
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level_before, propagates in before:
            logger.removeHandler(handler)
            logger.setLevel(level_before)
            logger.propagate = propagates
