"""Progress for those who read logs: steps as they begin, bytes when they are done."""

from __future__ import annotations

from logging import Logger


class LogProgress:
    """Tells a logger of each step."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def step(self, text: str) -> None:
        """See `Progress.step`."""
        self._logger.info("%s", text)

    def total(self, size: int) -> None:
        """See `Progress.total`."""
        self._logger.debug("%d bytes to transfer", size)

    def advance(self, size: int) -> None:
        """See `Progress.advance`."""
