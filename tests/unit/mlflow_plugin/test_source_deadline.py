from __future__ import annotations

import contextvars
import threading

import pytest

from mlflow_triton.source_deadline import within
from triton_deploy_core.errors import ModelSourceError

WHO = contextvars.ContextVar("WHO", default="nobody")


def test_gives_what_the_work_gives_in_the_callers_context() -> None:
    WHO.set("me")

    assert within(60, WHO.get, what="asking") == "me"


def test_raises_what_the_work_raises() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        within(60, fail, what="failing")


def test_does_not_wait_for_ever() -> None:
    release = threading.Event()

    with pytest.raises(ModelSourceError, match=r"no answer within 0.05 s: looking up x\."):
        within(0.05, release.wait, what="looking up x")
    release.set()
