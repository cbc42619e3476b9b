from __future__ import annotations

import subprocess
import sys

import pytest

from triton_deploy_core.process_identity import is_known_dead, process_identity

PROGRAM = """\
import sys
from triton_deploy_core.process_identity import process_identity
print(process_identity(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other():
    """Another process of this machine, and its identity."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_a_process_that_lives_is_not_known_to_be_dead(other):
    assert not is_known_dead(process_identity())
    assert not is_known_dead(other[1])


def test_one_that_was_killed_is_dead_before_anybody_has_waited_for_it(other):
    process, identity = other
    process.kill()
    process.stdout.read()
    process.wait()
    assert is_known_dead(identity)


def test_another_process_of_the_same_number_is_not_taken_for_it():
    place, _, started = process_identity().rpartition("/")
    assert is_known_dead(f"{place}/{int(started) - 1}")


@pytest.mark.parametrize(
    "identity",
    ["", "/", "///", "x", "other-boot/1/1/1", "../../etc/1/1", "a/b/-1/2", "a/b/²/2"],
)
def test_nothing_is_said_of_what_is_no_process_of_this_machine(identity):
    assert not is_known_dead(identity)
