"""Models whose answer tells which files it was made from, so that no mixture goes unnoticed."""

from __future__ import annotations

from triton_deploy_core.package import Origin, TreePackage, VersionPackage
from triton_deploy_core.ports.store import Content

MODEL = """\
import json
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils

CODE = {tag!r}


class TritonPythonModel:
    def initialize(self, args):
        directory = Path(__file__).parent
        texts = [CODE, (directory / "weights").read_text(), (directory / "large").read_text()[:80]]
        tags = {{text.partition(" ")[0] for text in texts}}
        parameters = json.loads(args["model_config"])["parameters"]
        tags.add(parameters["tag"]["string_value"])
        self.answer = "+".join(sorted(tags))

    def execute(self, requests):
        output = np.array([self.answer.encode()], dtype=np.object_)
        return [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", output)]) for _ in requests]
"""
_CONFIG = """\
backend: "python"
max_batch_size: 0
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_STRING dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
parameters { key: "tag" value: { string_value: "%s" } }
"""
REQUEST = {"inputs": [{"name": "IN", "shape": [1], "datatype": "INT32", "data": [0]}]}

# More than the journal holds itself, so that it waits beside what replaces it.
_LARGE = 100_000


def files(tag: str) -> dict[str, bytes]:
    """Return the files of one version, each of which bears the tag that is also its answer."""
    return {
        "model.py": MODEL.format(tag=tag).encode(),
        "weights": tag.encode(),
        "large": f"{tag} ".encode().ljust(_LARGE, b"."),
    }


def config(tag: str, policy: str = "") -> bytes:
    """Return a configuration that bears the tag too."""
    return (_CONFIG % tag + (f"version_policy {{ {policy} }}\n" if policy else "")).encode()


def generated(
    tag: str, *, config_tag: str | None = None, model: bytes | None = None
) -> VersionPackage:
    """Return a package whose configuration is ours to shape."""
    contents = files(tag) | ({} if model is None else {"model.py": model})
    return VersionPackage(_origin(tag), _contents(contents), config(config_tag or tag))


def verbatim(tag: str, *, policy: str) -> VersionPackage:
    """Return a package with its user's own configuration, byte for byte."""
    return VersionPackage(
        _origin(tag), _contents(files(tag)), config(tag, policy), config_is_verbatim=True
    )


def tree(tag: str, *, versions: int = 1) -> TreePackage:
    """Return a package that its user laid out, with so many versions of the same content."""
    contents = {"config.pbtxt": config(tag, "all {}")}
    for number in range(1, versions + 1):
        contents |= {f"{number}/{path}": data for path, data in files(tag).items()}
    return TreePackage(_origin(tag, "triton"), _contents(contents))


def broken(tag: str) -> VersionPackage:
    """Return a package that Triton refuses to load."""
    return generated(tag, model=b"raise RuntimeError('this model does not load')\n")


def _origin(tag: str, flavor: str = "onnx") -> Origin:
    return Origin(f"models:/{tag}/1", flavor, 1)


def _contents(files: dict[str, bytes]) -> dict[str, Content]:
    return {path: Content(data) for path, data in files.items()}
