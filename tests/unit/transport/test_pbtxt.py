"""``config.pbtxt``: what is read, what is said of what can't be, what is written."""

from __future__ import annotations

import pytest

from triton_deploy_core.errors import InvalidPackageError
from triton_deploy_transport.pbtxt import parse, to_text


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b'name: "a"\nnonsense: 3', r'config\.pbtxt:2:1: .*no field named "nonsense"'),
        (b"max_batch_size: many", r"config\.pbtxt:1:17: .*integer"),
        (b"input {\n  data_type: FP32\n}", r"config\.pbtxt:2:14: .*no value named FP32"),
        (b'name: "a"\nname: "b"', r'config\.pbtxt:2:7: .*multiple "name" fields'),
        (b"input [", r"config\.pbtxt:1:8: "),
        (b'name: "a"\n# \xe9', r"config\.pbtxt:2:3: not UTF-8"),
        (b"# a\n# \x00", r"config\.pbtxt:2:3: a control character"),
        (b'name: "\\351"', r"config\.pbtxt:1:13: .*utf-8"),
        ("# é\nnäme: 1".encode(), r"config\.pbtxt:2:"),
    ],
)
def test_what_is_wrong_and_where(config: bytes, message: str) -> None:
    with pytest.raises(InvalidPackageError, match=message) as caught:
        parse(config)
    assert str(caught.value).isprintable()


def test_text_is_stable_and_readable() -> None:
    text = """output{name:"ü" data_type:TYPE_FP32 dims:[-1]} max_batch_size:8 name:"m"
        parameters{key:"b" value{string_value:"2"}} parameters{key:"a" value{string_value:"1"}}"""
    config = parse(text.encode())
    assert (
        to_text(config).decode()
        == """\
name: "m"
max_batch_size: 8
output {
  name: "ü"
  data_type: TYPE_FP32
  dims: -1
}
parameters {
  key: "a"
  value {
    string_value: "1"
  }
}
parameters {
  key: "b"
  value {
    string_value: "2"
  }
}
"""
    )
