"""Which server has a sequence: all its requests go to one, which holds the model's state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from triton_deploy_core.ports.request_options import SequenceStep

MOST_REMEMBERED = 100_000


class Sequences:
    """Remembers where sequences began. Safe for several threads.

    Whoever goes on with a sequence that began elsewhere (in another process) finds its server by
    the hash of its id, which is where it begins unless that server rests.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: OrderedDict[tuple[str, int | str], str] = OrderedDict()

    @staticmethod
    def order(name: str, step: SequenceStep) -> Callable[[str], bytes]:
        """Return by what servers' URLs are ordered for a sequence: the first one should have it.

        Each sequence has an order of its own, in which other servers that come or go change
        nothing.
        """
        key = f"{name}\n{step.id!r}\n"
        return lambda url: blake2b(f"{key}{url}".encode(), digest_size=8).digest()

    def place(self, name: str, step: SequenceStep) -> str | None:
        """Return the URL of the server where a sequence began; None if that is not remembered."""
        with self._lock:
            return self._places.get((name, step.id))

    def note(self, name: str, step: SequenceStep, url: str) -> None:
        """Remember where a sequence is after a request of it was answered."""
        key = name, step.id
        with self._lock:
            self._places.pop(key, None)
            if not step.end:
                self._places[key] = url
            if len(self._places) > MOST_REMEMBERED:
                self._places.popitem(last=False)
