"""Problems as a user reads them. That a server refuses each of them is tested on a real one."""

from __future__ import annotations

from triton_deploy_transport.config_check import check_config
from triton_deploy_transport.pbtxt import parse

GOOD = b"""
backend: "onnxruntime"
max_batch_size: 4
input { name: "IN" data_type: TYPE_FP32 dims: [ 16 ] }
output { name: "OUT" data_type: TYPE_FP32 dims: [ 16 ] }
"""


EXPECTED = """\
config.pbtxt: name is 'rose', but the model's directory is 'iris': leave name out, or make it that \
of the directory
config.pbtxt: neither backend nor platform is set, and no file tells the backend: add a line such \
as backend: "onnxruntime"
config.pbtxt: max_batch_size is -1: make it 0 (no batching) or the largest batch that the model \
takes
config.pbtxt: input[0] has no name: name it as the model does
config.pbtxt: input[0] has dims [0]: each is 1 or more, or -1 for any size
config.pbtxt: output 'OUT' has no data_type: add one, such as data_type: TYPE_FP32
config.pbtxt: output 'OUT' has no dims: add them without the batch dimension, such as dims: [ -1 ]
config.pbtxt: version_policy.latest serves no version: set num_versions to 1 or more
""".splitlines()


def problems(config: bytes, *, auto_complete: bool = False, **known: list[str]) -> list[str]:
    found = check_config(
        parse(config), name="iris", auto_complete=auto_complete, files=known.get("files")
    )
    return [str(problem) for problem in found]


def test_a_good_config_has_none() -> None:
    assert problems(GOOD) == []


def test_all_are_told_at_once_each_with_its_remedy() -> None:
    config = b"""
    name: "rose"
    max_batch_size: -1
    input { data_type: TYPE_FP32 dims: [ 0 ] }
    output { name: "OUT" }
    version_policy { latest { } }
    """
    assert problems(config, files=["weights.bin"]) == EXPECTED


def test_gaps_are_no_problem_where_something_fills_them() -> None:
    config = b'backend: "onnxruntime" input { name: "IN" } output { name: "OUT" }'
    assert problems(config, auto_complete=True) == []
    assert len(problems(config)) == 4


def test_a_backend_can_be_told_in_four_ways() -> None:
    assert len(problems(b"", files=[])) == 1
    assert problems(b'backend: "anything"', files=[]) == []
    assert problems(b'platform: "onnxruntime_onnx"', files=[]) == []
    assert problems(b"", files=["model.onnx"]) == []
    assert check_config(parse(b""), name="iris.python", auto_complete=False, files=[]) == []


def test_without_the_files_a_missing_backend_is_not_judged() -> None:
    assert problems(b"") == []


def test_a_warm_up_larger_than_a_batch() -> None:
    """Not tried on the real server: Triton 2.51 without auto-complete dies of it."""
    sample = b"""model_warmup { name: "w" batch_size: 5 inputs {
        key: "IN" value { data_type: TYPE_FP32 dims: [ 16 ] zero_data: true } } }"""
    (found,) = problems(GOOD + sample)
    assert "batch_size 5, over max_batch_size: make it 4 or less" in found
